using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>Writes tar archives byte by byte, also such as no tool would.</summary>
internal sealed class TarText
{
    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes, .. new byte[1024]];

    public byte[] WithoutEnd() => [.. _bytes];

    public TarText Add(string name, char type = '0', string content = "", uint mode = 0x1a4, uint user = 0, uint group = 0, string link = "", uint major = 0, uint minor = 0, long time = 1_000_000_000)
    {
        byte[] header = new byte[512];
        byte[] body = Encoding.UTF8.GetBytes(content);
        Put(header, 0, name);
        Put(header, 100, Octal(mode, 7));
        Put(header, 108, Octal(user, 7));
        Put(header, 116, Octal(group, 7));
        Put(header, 124, Octal(body.Length, 11));
        Put(header, 136, Octal(time, 11));
        header[156] = (byte)type;
        Put(header, 157, link);
        Put(header, 257, "ustar\0" + "00");
        Put(header, 329, Octal(major, 7));
        Put(header, 337, Octal(minor, 7));
        header.AsSpan(148, 8).Fill((byte)' ');
        int sum = header.Sum(b => b);
        Put(header, 148, Octal(sum, 6) + "\0 ");
        _bytes.AddRange(header);
        _bytes.AddRange(body);
        _bytes.AddRange(new byte[(512 - (body.Length % 512)) % 512]);
        return this;
    }

    /// <summary>Records for the entry that follows.</summary>
    public TarText Pax(params (string Key, byte[] Value)[] records)
    {
        using var text = new MemoryStream();
        foreach ((string key, byte[] value) in records)
        {
            byte[] tail = [.. Encoding.UTF8.GetBytes($" {key}="), .. value, (byte)'\n'];
            int length = tail.Length + 1;
            while (length != tail.Length + length.ToString(CultureInfo.InvariantCulture).Length)
                length = tail.Length + length.ToString(CultureInfo.InvariantCulture).Length;
            text.Write(Encoding.ASCII.GetBytes(length.ToString(CultureInfo.InvariantCulture)));
            text.Write(tail);
        }

        // Latin-1 would be changed by UTF-8: written as bytes.
        byte[] body = text.ToArray();
        Add("PaxHeaders/x", 'x', new string('x', body.Length));
        int start = _bytes.Count - ((body.Length + 511) / 512 * 512);
        for (int i = 0; i < body.Length; i++)
            _bytes[start + i] = body[i];
        return this;
    }

    private static string Octal(long value, int digits) => Convert.ToString(value, 8).PadLeft(digits, '0');

    private static void Put(byte[] header, int offset, string text) => Encoding.UTF8.GetBytes(text).CopyTo(header, offset);
}
