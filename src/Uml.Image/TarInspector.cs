using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>
/// Looks at a tar stream as it passes: refuses entries that would leave the root, counts, and keeps the extended attributes. The
/// bytes go on as they are, but for the root's own entry, which the maker of the image cannot take.
/// </summary>
/// <remarks>ustar, pax and GNU's format: pax(1), and "Basic Tar Format" in GNU tar's manual.</remarks>
internal sealed class TarInspector(Stream input, Stream output, string reference, long limit)
{
    private const int Block = 512;
    private const int LongestHeader = 1024 * 1024;

    private readonly byte[] _header = new byte[Block];
    private readonly byte[] _buffer = new byte[128 * 1024];
    private readonly SortedDictionary<string, List<(byte[] Path, byte[] Name, byte[] Value)>> _attributes = new(StringComparer.Ordinal);

    /// <summary>Bytes of all files.</summary>
    public long ContentSize { get; private set; }

    /// <summary>Number of entries.</summary>
    public long Entries { get; private set; }

    /// <summary>Told the bytes read so far.</summary>
    public Action<long>? OnProgress { get; init; }

    /// <summary>The list of attributes, as the guest's agent reads it; empty for none.</summary>
    public byte[] Attributes()
    {
        using var list = new MemoryStream();
        foreach ((byte[] path, byte[] name, byte[] value) in _attributes.Values.SelectMany(v => v))
        {
            foreach (byte[] part in (byte[][])[path, name, value])
            {
                list.Write(BitConverter.GetBytes((uint)part.Length));
                list.Write(part);
            }
        }

        return list.ToArray();
    }

    /// <summary>Passes the stream on until its end.</summary>
    /// <exception cref="KernelException">It is damaged, or not to be trusted.</exception>
    public async Task PassAsync(CancellationToken cancellationToken)
    {
        long read = 0, told = 0;
        List<byte[]> pending = [];
        byte[]? path = null, link = null;
        long? size = null;
        List<(byte[] Name, byte[] Value)> attributes = [];
        while (true)
        {
            int n = await input.ReadAtLeastAsync(_header, Block, throwOnEndOfStream: false, cancellationToken);
            read += n;
            if (n < Block)
            {
                if (Entries == 0 || n != 0 || pending.Count > 0)
                    throw Damaged(Entries == 0 && n == 0 ? "is empty" : "ends in the middle of an entry");
                break;
            }

            if (_header.AsSpan().IndexOfAnyExcept((byte)0) < 0)
                break;
            if (!HasGoodChecksum())
                throw Damaged(Entries == 0 ? "is no tar archive" : $"has a damaged header behind {Show(path ?? [])}");
            char type = (char)_header[156];
            long stored = Number(124, 12);
            if (type is 'x' or 'g' or 'L' or 'K')
            {
                if (stored > LongestHeader)
                    throw Damaged($"has a header of {stored} bytes");
                byte[] content = new byte[Padded(stored)];
                if (await input.ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, cancellationToken) < content.Length)
                    throw Damaged("ends in the middle of a header");
                read += content.Length;
                ReadOnlySpan<byte> text = content.AsSpan(0, (int)stored);
                if (type == 'L')
                    path = text.TrimEnd((byte)0).ToArray();
                else if (type == 'K')
                    link = text.TrimEnd((byte)0).ToArray();
                else if (type == 'x')
                    ReadRecords(text, ref path, ref link, ref size, attributes);
                if (type != 'g')
                {
                    pending.Add([.. _header]);
                    pending.Add(content);
                }

                continue;
            }

            byte[] name = path ?? Name();
            byte[] target = link ?? Text(157, 100);
            bool hasContent = type is '0' or '\0' or '7' or 'S';
            long length = hasContent ? size ?? stored : 0;
            if (!hasContent && type is not ('1' or '2' or '3' or '4' or '5' or '6'))
                throw Refused(name, $"is of the unknown type '{type}'");
            Check(name, name, "its name leads out of the root");
            if (type == '1')
                Check(target, name, $"it is a hard link to {Show(target)}, out of the root");
            ContentSize += length;
            if (ContentSize > limit)
                throw new KernelException($"{reference} holds more than {ByteSizeText(limit)} of files; that much is not taken for a root file system.");
            bool root = IsRoot(name);
            if (!root)
            {
                Entries++;
                if (attributes.Count > 0)
                    _attributes[Show(name)] = [.. attributes.Where(a => IsKept(a.Name)).Select(a => (Stripped(name), a.Name, a.Value))];
                foreach (byte[] part in pending)
                    await output.WriteAsync(part, cancellationToken);
                await output.WriteAsync(_header, cancellationToken);
            }

            // Old GNU sparse files have further headers behind the first.
            if (type == 'S' && _header[482] != 0)
                throw Refused(name, "is sparse in the old format of GNU tar; pack it with --format=posix");
            for (long left = Padded(length); left > 0;)
            {
                int part = await input.ReadAsync(_buffer.AsMemory(0, (int)Math.Min(left, _buffer.Length)), cancellationToken);
                if (part == 0)
                    throw Damaged($"ends in the middle of {Show(name)}");
                if (!root)
                    await output.WriteAsync(_buffer.AsMemory(0, part), cancellationToken);
                left -= part;
                read += part;
            }

            if (read - told > 1024 * 1024)
                OnProgress?.Invoke(told = read);
            pending.Clear();
            path = link = null;
            size = null;
            attributes = [];
        }

        if (Entries == 0)
            throw Damaged("holds no files");
        await output.WriteAsync(new byte[2 * Block], cancellationToken);
    }

    // Labels are for kernels with the module that made them: elsewhere they would only make every file be copied.
    private static bool IsKept(byte[] name) => Encoding.UTF8.GetString(name) is var text
        && (text == "security.capability" || text.StartsWith("user.", StringComparison.Ordinal) || text.StartsWith("system.posix_acl", StringComparison.Ordinal));

    private void ReadRecords(ReadOnlySpan<byte> text, ref byte[]? path, ref byte[]? link, ref long? size, List<(byte[], byte[])> attributes)
    {
        // "LENGTH KEY=VALUE\n", where the length counts the whole record.
        while (text.Length > 0)
        {
            int space = text.IndexOf((byte)' ');
            if (space <= 0 || !int.TryParse(Encoding.ASCII.GetString(text[..space]), NumberStyles.None, CultureInfo.InvariantCulture, out int length) || length > text.Length || length < space + 3)
                throw Damaged("has a damaged extended header");
            ReadOnlySpan<byte> record = text[(space + 1)..(length - 1)];
            text = text[length..];
            int equals = record.IndexOf((byte)'=');
            if (equals <= 0)
                throw Damaged("has a damaged extended header");
            string key = Encoding.UTF8.GetString(record[..equals]);
            byte[] value = record[(equals + 1)..].ToArray();
            const string plain = "SCHILY.xattr.", encoded = "LIBARCHIVE.xattr.";
            if (key is "path" or "GNU.sparse.name")
                path = value;
            else if (key == "linkpath")
                link = value;
            else if (key == "size")
                size = long.TryParse(Encoding.ASCII.GetString(value), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : throw Damaged("has a damaged extended header");
            else if (key.StartsWith(plain, StringComparison.Ordinal))
                attributes.Add((Encoding.UTF8.GetBytes(key[plain.Length..]), value));
            else if (key.StartsWith(encoded, StringComparison.Ordinal) && !attributes.Any(a => Encoding.UTF8.GetString(a.Item1) == Uri.UnescapeDataString(key[encoded.Length..])))
                attributes.Add((Encoding.UTF8.GetBytes(Uri.UnescapeDataString(key[encoded.Length..])), FromBase64(value)));
        }
    }

    private byte[] FromBase64(byte[] value)
    {
        string text = Encoding.ASCII.GetString(value);
        try
        {
            return Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='));
        }
        catch (FormatException)
        {
            throw Damaged("has a damaged extended attribute");
        }
    }

    private bool HasGoodChecksum()
    {
        int sum = 0;
        for (int i = 0; i < Block; i++)
            sum += i is >= 148 and < 156 ? ' ' : _header[i];
        return Number(148, 8) == sum;
    }

    // Octal digits, or a big-endian number behind a byte of 0x80.
    private long Number(int offset, int length)
    {
        ReadOnlySpan<byte> field = _header.AsSpan(offset, length);
        long value = 0;
        if ((field[0] & 0x80) != 0)
        {
            foreach (byte b in field[1..])
                value = value <= long.MaxValue >> 8 ? (value << 8) | b : throw Damaged("has a damaged header");
            return value;
        }

        foreach (byte b in field)
        {
            if (b is >= (byte)'0' and <= (byte)'7')
                value = (value << 3) | (uint)(b - '0');
            else if (b is not ((byte)' ' or 0))
                return -1;
            else if (value > 0)
                break;
        }

        return value;
    }

    private byte[] Name()
    {
        byte[] name = Text(0, 100);
        bool ustar = _header.AsSpan(257, 6).SequenceEqual("ustar\0"u8);
        byte[] prefix = ustar ? Text(345, 155) : [];
        return prefix.Length == 0 ? name : [.. prefix, (byte)'/', .. name];
    }

    private byte[] Text(int offset, int length)
    {
        ReadOnlySpan<byte> field = _header.AsSpan(offset, length);
        int end = field.IndexOf((byte)0);
        return (end < 0 ? field : field[..end]).ToArray();
    }

    private void Check(byte[] path, byte[] entry, string problem)
    {
        if (path.Length == 0 || path[0] == '/' || path.Contains((byte)0) || Encoding.Latin1.GetString(path).Split('/').Contains(".."))
            throw Refused(entry, problem);
    }

    private static bool IsRoot(byte[] name) => Stripped(name).Length == 0;

    private static byte[] Stripped(byte[] name)
    {
        string[] parts = [.. Encoding.Latin1.GetString(name).Split('/').Where(p => p is not ("" or "."))];
        return Encoding.Latin1.GetBytes(string.Join('/', parts));
    }

    private static string Show(byte[] name) => string.Concat(Encoding.UTF8.GetString(name).Select(c => char.IsControl(c) ? '?' : c));

    private static long Padded(long length) => (length + Block - 1) / Block * Block;

    private static string ByteSizeText(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1024.0 * 1024 * 1024):0.#} GiB");

    private KernelException Damaged(string what) => new($"{reference} cannot be read: the archive {what}; pack it again, or get it anew.");

    private KernelException Refused(byte[] entry, string why) => new($"{reference} is refused: the entry {Show(entry)} cannot be part of a root file system: {why}.");
}
