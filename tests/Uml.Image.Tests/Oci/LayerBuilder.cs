using System.IO.Compression;
using System.Text;

namespace Uml.CI;

/// <summary>Writes a layer's tar archive header by header, so that it can be as wrong as a test wants.</summary>
internal sealed class LayerBuilder
{
    private readonly List<byte> _tar = [];

    public LayerBuilder File(string name, string content, int mode = 0x1A4, int user = 0, int group = 0, long time = 1_000_000_000) =>
        Add(name, '0', content, mode: mode, user: user, group: group, time: time);

    public LayerBuilder Directory(string name, int mode = 0x1ED) => Add(name, '5', mode: mode);

    public LayerBuilder Symlink(string name, string target) => Add(name, '2', target: target, mode: 0x1FF);

    public LayerBuilder HardLink(string name, string target) => Add(name, '1', target: target);

    public LayerBuilder Device(string name, uint major, uint minor) => Add(name, '3', major: major, minor: minor);

    /// <summary>A pax header for the next entry.</summary>
    public LayerBuilder Pax(params (string Key, byte[] Value)[] records)
    {
        MemoryStream data = new();
        foreach ((string key, byte[] value) in records)
        {
            int rest = Encoding.UTF8.GetByteCount(key) + value.Length + 3;
            int length = rest + 1;
            while (rest + $"{length}".Length != length)
                length = rest + $"{length}".Length;
            data.Write(Encoding.UTF8.GetBytes($"{length} {key}="));
            data.Write(value);
            data.WriteByte((byte)'\n');
        }

        return Add("PaxHeader", 'x', Encoding.Latin1.GetString(data.ToArray()));
    }

    public LayerBuilder Add(
        string name, char type, string content = "", string target = "", int mode = 0x1A4, int user = 0, int group = 0, long time = 0,
        uint major = 0, uint minor = 0, long? declared = null)
    {
        byte[] header = new byte[512];
        Encoding.Latin1.GetBytes(name).CopyTo(header, 0);
        Octal(header, 100, 8, mode);
        Octal(header, 108, 8, user);
        Octal(header, 116, 8, group);
        Octal(header, 124, 12, declared ?? content.Length);
        Octal(header, 136, 12, time);
        header[156] = (byte)type;
        Encoding.Latin1.GetBytes(target).CopyTo(header, 157);
        "ustar\000"u8.CopyTo(header.AsSpan(257));
        Octal(header, 329, 8, major);
        Octal(header, 337, 8, minor);
        header.AsSpan(148, 8).Fill((byte)' ');
        Octal(header, 148, 7, header.Sum(b => b));
        _tar.AddRange(header);
        _tar.AddRange(Encoding.Latin1.GetBytes(content));
        _tar.AddRange(new byte[-content.Length & 511]);
        return this;
    }

    public LayerBuilder Raw(byte[] bytes)
    {
        _tar.AddRange(bytes);
        return this;
    }

    /// <summary>The archive, with its end.</summary>
    public byte[] Tar() => [.. _tar, .. new byte[1024]];

    public static byte[] Gzip(byte[] content)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(content);
        return packed.ToArray();
    }

    private static void Octal(byte[] header, int offset, int length, long value) =>
        Encoding.ASCII.GetBytes(Convert.ToString(value, 8).PadLeft(length - 1, '0')).CopyTo(header, offset);
}
