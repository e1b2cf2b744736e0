using System.Text;

namespace Uml.CI;

/// <summary>
/// Writes a merged root as one tar archive (pax): every name once, in the order of their characters, directories before
/// what is in them; the same root gives the same bytes.
/// </summary>
internal sealed class TarStreamWriter(Stream target, LayerSpool spool)
{
    private const int Block = 512;

    private readonly Dictionary<MergedFile, string> _written = [];

    public async Task WriteAsync(MergedNode root, CancellationToken cancellationToken)
    {
        await WriteNodeAsync("./", root, cancellationToken);
        await target.WriteAsync(new byte[2 * Block], cancellationToken);
        await target.FlushAsync(cancellationToken);
    }

    private async Task WriteNodeAsync(string path, MergedNode node, CancellationToken cancellationToken)
    {
        MergedFile file = node.File;
        bool isDirectory = node.Children is not null;
        string? first = null;
        if (!isDirectory && !_written.TryAdd(file, path))
            first = _written[file];
        byte[] header = Header(file, path, first);
        await target.WriteAsync(header, cancellationToken);
        if (file.Kind == LayerEntryKind.File && first is null)
        {
            await spool.CopyToAsync(file.Offset, file.Size, target, cancellationToken);
            await target.WriteAsync(new byte[-file.Size & (Block - 1)], cancellationToken);
        }

        if (!isDirectory)
            return;
        foreach ((string name, MergedNode child) in node.Children!.OrderBy(c => c.Key, StringComparer.Ordinal))
            await WriteNodeAsync(path + name + (child.Children is null ? "" : "/"), child, cancellationToken);
    }

    private static byte[] Header(MergedFile file, string path, string? first)
    {
        LayerAttributes of = file.Attributes;
        byte[] name = Encoding.UTF8.GetBytes(path);
        byte[] link = Encoding.UTF8.GetBytes(first ?? file.Target);
        long size = file.Kind == LayerEntryKind.File && first is null ? file.Size : 0;
        const long MaxSize = 0x1FFFFFFFF; // eleven octal digits
        const uint MaxId = 0x1FFFFF; // seven

        MemoryStream pax = new();
        if (name.Length > 100 || !Ascii.IsValid(name))
            Record(pax, "path", name);
        if (link.Length > 100 || !Ascii.IsValid(link))
            Record(pax, "linkpath", link);
        if (size > MaxSize)
            Record(pax, "size", Encoding.ASCII.GetBytes($"{size}"));
        if (of.UserId > MaxId)
            Record(pax, "uid", Encoding.ASCII.GetBytes($"{of.UserId}"));
        if (of.GroupId > MaxId)
            Record(pax, "gid", Encoding.ASCII.GetBytes($"{of.GroupId}"));
        if (of.ModifiedNanoseconds != 0 || of.Modified is < 0 or > MaxSize)
            Record(pax, "mtime", Encoding.ASCII.GetBytes(Time(of)));
        if (first is null)
        {
            foreach ((string key, byte[] value) in of.Extended)
                Record(pax, "SCHILY.xattr." + key, value);
        }

        char type = first is not null ? '1' : file.Kind switch
        {
            LayerEntryKind.SymbolicLink => '2',
            LayerEntryKind.CharacterDevice => '3',
            LayerEntryKind.BlockDevice => '4',
            LayerEntryKind.Directory => '5',
            LayerEntryKind.Pipe => '6',
            _ => '0',
        };
        byte[] own = Ustar(name, link, type, of.Mode, of.UserId <= MaxId ? of.UserId : 0, of.GroupId <= MaxId ? of.GroupId : 0,
            size <= MaxSize ? size : 0, of.Modified is >= 0 and <= MaxSize ? of.Modified : 0, file.DeviceMajor, file.DeviceMinor);
        if (pax.Length == 0)
            return own;
        byte[] records = pax.ToArray();
        return
        [
            .. Ustar("./PaxHeaders/0"u8, default, 'x', 0x1A4 /* 0644 */, 0, 0, records.Length, 0, 0, 0),
            .. records,
            .. new byte[-records.Length & (Block - 1)],
            .. own,
        ];
    }

    private static string Time(LayerAttributes of)
    {
        decimal time = of.Modified + (of.ModifiedNanoseconds / 1_000_000_000m);
        return time.ToString("0.#########", System.Globalization.CultureInfo.InvariantCulture);
    }

    private static void Record(MemoryStream pax, string key, ReadOnlySpan<byte> value)
    {
        // The length counts its own digits.
        int rest = Encoding.UTF8.GetByteCount(key) + value.Length + 3;
        int length = rest + 1;
        while (rest + $"{length}".Length != length)
            length = rest + $"{length}".Length;
        pax.Write(Encoding.UTF8.GetBytes($"{length} {key}="));
        pax.Write(value);
        pax.WriteByte((byte)'\n');
    }

    private static byte[] Ustar(
        ReadOnlySpan<byte> name, ReadOnlySpan<byte> link, char type, int mode, long user, long group, long size, long modified, uint major, uint minor)
    {
        byte[] header = new byte[Block];
        name[..Math.Min(name.Length, 100)].CopyTo(header);
        Octal(header.AsSpan(100, 8), mode);
        Octal(header.AsSpan(108, 8), user);
        Octal(header.AsSpan(116, 8), group);
        Octal(header.AsSpan(124, 12), size);
        Octal(header.AsSpan(136, 12), modified);
        header.AsSpan(148, 8).Fill((byte)' ');
        header[156] = (byte)type;
        link[..Math.Min(link.Length, 100)].CopyTo(header.AsSpan(157));
        "ustar\000"u8.CopyTo(header.AsSpan(257));
        Octal(header.AsSpan(329, 8), major);
        Octal(header.AsSpan(337, 8), minor);
        int sum = 0;
        foreach (byte b in header)
            sum += b;
        Octal(header.AsSpan(148, 7), sum);
        return header;
    }

    private static void Octal(Span<byte> field, long value)
    {
        for (int i = field.Length - 2; i >= 0; i--, value >>= 3)
            field[i] = (byte)('0' + (value & 7));
        field[^1] = 0;
    }
}
