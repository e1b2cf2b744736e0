using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>
/// Reads a layer's tar archive: the formats of POSIX (ustar and pax), GNU and version 7, sparse files included. Own code,
/// because System.Formats.Tar turns pax records into text, which destroys capabilities and names that are not UTF-8, and
/// reads no sparse files.
/// </summary>
/// <param name="stream">The unpacked archive; read forward only.</param>
internal sealed class LayerReader(Stream stream)
{
    private const int Block = 512;
    private const int MaxName = 4096;
    private const int MaxHeaderData = 1 << 20;
    private const int MaxExtents = 100_000;
    private const int MaxRecords = 1000;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[] _header = new byte[Block];
    private readonly Dictionary<string, byte[]> _global = new(StringComparer.Ordinal);

    // Of the current entry's content: what has not been read, and what fills up its last block.
    private long _left;
    private int _padding;

    /// <summary>Goes to the next entry; null at the end of the archive.</summary>
    /// <exception cref="OciFaultException">The archive is malformed.</exception>
    public LayerEntry? Next()
    {
        SkipContent();
        Dictionary<string, byte[]> pax = new(_global, StringComparer.Ordinal);
        List<LayerExtent> pairs = [];
        byte[]? longName = null;
        byte[]? longTarget = null;
        while (true)
        {
            if (!ReadHeader())
                return pax.Count > _global.Count || longName is not null || longTarget is not null ? throw new OciFaultException("its archive ends after a header that describes another") : null;
            char type = (char)_header[156];
            switch (type)
            {
                case 'x' or 'X':
                    ReadPax(ReadHeaderData(), pax, pairs);
                    continue;
                case 'g':
                    ReadPax(ReadHeaderData(), _global, []);
                    foreach ((string key, byte[] value) in _global)
                        pax.TryAdd(key, value);
                    continue;
                case 'L':
                    longName = UpToZero(ReadHeaderData()).ToArray();
                    continue;
                case 'K':
                    longTarget = UpToZero(ReadHeaderData()).ToArray();
                    continue;
                default:
                    return Describe(type, pax, pairs, longName, longTarget);
            }
        }
    }

    /// <summary>Reads on in the current entry's content as it is stored; 0 at its end.</summary>
    public int Read(Span<byte> buffer)
    {
        if (_left == 0)
            return 0;
        int got = stream.Read(buffer[..(int)Math.Min(buffer.Length, _left)]);
        if (got == 0)
            throw CutShort();
        _left -= got;
        return got;
    }

    private LayerEntry Describe(char type, Dictionary<string, byte[]> pax, List<LayerExtent> pairs, byte[]? longName, byte[]? longTarget)
    {
        bool isUstar = _header.AsSpan(257, 6).SequenceEqual("ustar\0"u8);
        byte[] rawName = pax.GetValueOrDefault("GNU.sparse.name") ?? pax.GetValueOrDefault("path") ?? longName ?? ShortName(isUstar);
        string name = Text(rawName, "a name");
        LayerEntryKind kind = type switch
        {
            '\0' or '0' when name.EndsWith('/') => LayerEntryKind.Directory,
            '\0' or '0' or '7' or 'S' => LayerEntryKind.File,
            '1' => LayerEntryKind.HardLink,
            '2' => LayerEntryKind.SymbolicLink,
            '3' => LayerEntryKind.CharacterDevice,
            '4' => LayerEntryKind.BlockDevice,
            '5' => LayerEntryKind.Directory,
            '6' => LayerEntryKind.Pipe,
            _ => throw new OciFaultException($"its entry {OciFaultException.Quote(name)} is of the unknown type {OciFaultException.Quote(type.ToString())}"),
        };
        bool isFile = kind == LayerEntryKind.File;
        // Some writers give links the size of what they lead to, with no content behind them.
        long size = Number(pax, "size") ?? Number(124, 12, "size");
        long stored = isFile ? size : 0;
        bool isLink = kind is LayerEntryKind.HardLink or LayerEntryKind.SymbolicLink;
        bool isDevice = kind is LayerEntryKind.CharacterDevice or LayerEntryKind.BlockDevice;
        (long modified, int nanoseconds) = Modified(pax);
        uint Device(int offset) => isDevice && Number(offset, 8, "device number") is var n ? n <= 0xFFFFF ? (uint)n : throw Bad("device number") : 0;
        uint Owner(string key, int offset) => (Number(pax, key) ?? Number(offset, 8, key)) is var n && n < uint.MaxValue ? (uint)n : throw Bad(key);
        LayerEntry entry = new(name, kind, new LayerAttributes((int)(Number(100, 8, "mode") & 0xFFF), Owner("uid", 108), Owner("gid", 116), modified, nanoseconds)
        {
            Extended = Extended(pax),
        })
        {
            Target = isLink ? Text(pax.GetValueOrDefault("linkpath") ?? longTarget ?? UpToZero(_header.AsSpan(157, 100)).ToArray(), "a link's target") : "",
            Size = stored,
            StoredSize = stored,
            DeviceMajor = Device(329),
            DeviceMinor = Device(337),
        };
        if (isLink && entry.Target.Length == 0)
            throw new OciFaultException($"its link {OciFaultException.Quote(name)} leads nowhere");
        _left = stored;
        _padding = (int)(-stored & (Block - 1));
        return isFile ? WithExtents(entry, type, pax, pairs) : entry;
    }

    // ---- Sparse files: the forms of GNU tar ("Storing Sparse Files" in its manual) ----
    private LayerEntry WithExtents(LayerEntry entry, char type, Dictionary<string, byte[]> pax, List<LayerExtent> pairs)
    {
        List<LayerExtent> extents = [];
        long size;
        if (type == 'S')
        {
            size = Number(483, 12, "size");
            ReadOldMap(_header.AsSpan(386, 4 * 24), extents);
            bool more = _header[482] != 0;
            byte[] extension = new byte[Block];
            while (more)
            {
                ReadExactly(extension);
                ReadOldMap(extension.AsSpan(0, 21 * 24), extents);
                more = extension[504] != 0;
            }
        }
        else if (pax.ContainsKey("GNU.sparse.major"))
        {
            if (Number(pax, "GNU.sparse.major") != 1 || Number(pax, "GNU.sparse.minor") != 0)
                throw new OciFaultException($"its entry {OciFaultException.Quote(entry.Name)} is sparse in an unknown form");
            size = Number(pax, "GNU.sparse.realsize") ?? throw Bad("size");
            ReadMapInFront(extents);
        }
        else if (Number(pax, "GNU.sparse.size") is { } old)
        {
            size = old;
            extents = pairs;
            if (pax.TryGetValue("GNU.sparse.map", out byte[]? map))
            {
                long[] numbers = [.. Encoding.Latin1.GetString(map).Split(',').Select(n => Number(n) ?? throw Bad("sparse map"))];
                if (numbers.Length % 2 != 0)
                    throw Bad("sparse map");
                extents = [.. numbers.Chunk(2).Select(p => new LayerExtent(p[0], p[1]))];
            }
        }
        else
        {
            return entry;
        }

        long end = 0;
        long stored = 0;
        foreach (LayerExtent extent in extents)
        {
            if (extent.Offset < end || extent.Length > size - extent.Offset || extents.Count > MaxExtents)
                throw Bad("sparse map");
            end = extent.Offset + extent.Length;
            stored += extent.Length;
        }

        return stored == _left ? entry with { Size = size, StoredSize = stored, Extents = [.. extents.Where(e => e.Length > 0)] } : throw Bad("sparse map");
    }

    private void ReadOldMap(ReadOnlySpan<byte> map, List<LayerExtent> extents)
    {
        for (; map.Length >= 24 && map[0] != 0; map = map[24..])
        {
            extents.Add(new LayerExtent(Number(map[..12], "sparse map"), Number(map[12..24], "sparse map")));
            if (extents.Count > MaxExtents)
                throw Bad("sparse map");
        }
    }

    /// <summary>Form 1.0: lines of numbers before the data, filled up to whole blocks.</summary>
    private void ReadMapInFront(List<LayerExtent> extents)
    {
        byte[] block = new byte[Block];
        int at = Block;
        long Line()
        {
            StringBuilder digits = new();
            while (true)
            {
                if (at == Block)
                {
                    if (_left < Block)
                        throw Bad("sparse map");
                    ReadExactly(block);
                    _left -= Block;
                    at = 0;
                }

                char c = (char)block[at++];
                if (c == '\n')
                    return Number(digits.ToString()) ?? throw Bad("sparse map");
                if (digits.Append(c).Length > 20)
                    throw Bad("sparse map");
            }
        }

        long count = Line();
        if (count > MaxExtents)
            throw Bad("sparse map");
        for (; count > 0; count--)
            extents.Add(new LayerExtent(Line(), Line()));
    }

    // ---- Headers ----
    private bool ReadHeader()
    {
        int got = stream.ReadAtLeast(_header, Block, throwOnEndOfStream: false);
        // The end is two blocks of zeros, or one, or none: writers differ.
        if (got == 0 || (got == Block && !_header.AsSpan().ContainsAnyExcept((byte)0)))
            return false;
        if (got < Block)
            throw CutShort();
        long unsigned = 0;
        long signed = 0;
        for (int i = 0; i < Block; i++)
        {
            byte b = i is >= 148 and < 156 ? (byte)' ' : _header[i];
            unsigned += b;
            signed += (sbyte)b;
        }

        long sum = Number(148, 8, "checksum");
        return sum == unsigned || sum == signed ? true : throw new OciFaultException("it is no tar archive, or a damaged one: a header's checksum is wrong");
    }

    private byte[] ReadHeaderData()
    {
        long size = Number(124, 12, "size");
        if (size > MaxHeaderData)
            throw new OciFaultException($"its archive has a header of {size} bytes");
        byte[] data = new byte[size];
        ReadExactly(data);
        ReadExactly(new byte[-size & (Block - 1)]);
        return data;
    }

    private void ReadPax(ReadOnlySpan<byte> data, Dictionary<string, byte[]> records, List<LayerExtent> pairs)
    {
        long? offset = null;
        while (data.Length > 0)
        {
            int space = data.IndexOf((byte)' ');
            if (space is < 1 or > 8 || !int.TryParse(data[..space], NumberStyles.None, CultureInfo.InvariantCulture, out int length)
                || length <= space + 2 || length > data.Length || data[length - 1] != '\n')
            {
                throw Bad("pax header");
            }

            ReadOnlySpan<byte> record = data[(space + 1)..(length - 1)];
            data = data[length..];
            int equals = record.IndexOf((byte)'=');
            if (equals < 1)
                throw Bad("pax header");
            string key = Text(record[..equals].ToArray(), "a pax header");
            byte[] value = record[(equals + 1)..].ToArray();
            // Form 0.0 of sparse files repeats its keys.
            if (key == "GNU.sparse.offset")
            {
                offset = Number(Encoding.Latin1.GetString(value)) ?? throw Bad("sparse map");
            }
            else if (key == "GNU.sparse.numbytes")
            {
                if (pairs.Count == MaxExtents)
                    throw Bad("sparse map");
                pairs.Add(new LayerExtent(offset ?? throw Bad("sparse map"), Number(Encoding.Latin1.GetString(value)) ?? throw Bad("sparse map")));
                offset = null;
            }
            else if (value.Length == 0 && !key.StartsWith("SCHILY.xattr.", StringComparison.Ordinal))
            {
                records.Remove(key);
            }
            else if (key is "path" or "linkpath" or "size" or "uid" or "gid" or "mtime"
                || key.StartsWith("SCHILY.xattr.", StringComparison.Ordinal) || key.StartsWith("GNU.sparse.", StringComparison.Ordinal))
            {
                records[key] = value;
                if (records.Count > MaxRecords)
                    throw Bad("pax header");
            }
        }
    }

    private static ImmutableArray<KeyValuePair<string, byte[]>> Extended(Dictionary<string, byte[]> pax)
    {
        const string Prefix = "SCHILY.xattr.";
        return
        [
            .. pax.Where(p => p.Key.StartsWith(Prefix, StringComparison.Ordinal) && p.Key.Length > Prefix.Length)
                .Select(p => KeyValuePair.Create(p.Key[Prefix.Length..], p.Value))
                // Orders to overlayfs, under which the root is going to be: not an image's to give.
                .Where(p => !p.Key.StartsWith("trusted.overlay.", StringComparison.Ordinal) && !p.Key.StartsWith("user.overlay.", StringComparison.Ordinal))
                .OrderBy(p => p.Key, StringComparer.Ordinal),
        ];
    }

    private byte[] ShortName(bool isUstar)
    {
        ReadOnlySpan<byte> name = UpToZero(_header.AsSpan(0, 100));
        ReadOnlySpan<byte> prefix = isUstar ? UpToZero(_header.AsSpan(345, 155)) : [];
        return prefix.Length == 0 ? name.ToArray() : [.. prefix, (byte)'/', .. name];
    }

    private (long Seconds, int Nanoseconds) Modified(Dictionary<string, byte[]> pax)
    {
        if (!pax.TryGetValue("mtime", out byte[]? value))
            return (Number(136, 12, "time", mayBeNegative: true), 0);
        if (value.Length > 40 || !decimal.TryParse(Encoding.Latin1.GetString(value), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out decimal time)
            || Math.Abs(time) > 1L << 40)
        {
            throw Bad("time");
        }

        decimal seconds = Math.Floor(time);
        return ((long)seconds, (int)((time - seconds) * 1_000_000_000));
    }

    private long? Number(Dictionary<string, byte[]> pax, string key) =>
        pax.TryGetValue(key, out byte[]? value) ? Number(Encoding.Latin1.GetString(value)) ?? throw Bad(key) : null;

    private static long? Number(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private long Number(int offset, int length, string what, bool mayBeNegative = false) => Number(_header.AsSpan(offset, length), what, mayBeNegative);

    /// <summary>A number of a header: octal digits, or, for those that are too large or negative, binary (GNU).</summary>
    private long Number(ReadOnlySpan<byte> field, string what, bool mayBeNegative = false)
    {
        if ((field[0] & 0x80) != 0)
        {
            bool isNegative = (field[0] & 0x40) != 0;
            ReadOnlySpan<byte> low = field.Length > 8 ? field[^8..] : field;
            long value = BinaryPrimitives.ReadInt64BigEndian(low);
            if (field.Length == 8)
                value = isNegative ? value : value & long.MaxValue;
            bool fits = field.Length == 8 || (!field[1..^8].ContainsAnyExcept(isNegative ? (byte)0xFF : (byte)0) && field[0] == (isNegative ? 0xFF : 0x80));
            return fits && value < 0 == isNegative && (mayBeNegative || !isNegative) ? value : throw Bad(what);
        }

        ReadOnlySpan<byte> digits = field.Trim(" \0"u8);
        long octal = 0;
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7' || octal > long.MaxValue >> 3)
                throw Bad(what);
            octal = (octal << 3) | (uint)(digit - '0');
        }

        return octal;
    }

    private static string Text(byte[] bytes, string what)
    {
        if (bytes.Length > MaxName)
            throw new OciFaultException($"it has {what} of {bytes.Length} bytes, and {MaxName} is the longest possible: {OciFaultException.Quote(Encoding.Latin1.GetString(bytes, 0, 64))}");
        if (bytes.AsSpan().Contains((byte)0))
            throw new OciFaultException($"it has {what} with a zero byte in it: {OciFaultException.Quote(Encoding.Latin1.GetString(bytes))}");
        try
        {
            return s_utf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new OciFaultException($"it has {what} that is not UTF-8: {OciFaultException.Quote(Encoding.UTF8.GetString(bytes))}", inner: e);
        }
    }

    private static ReadOnlySpan<byte> UpToZero(ReadOnlySpan<byte> bytes) => bytes.IndexOf((byte)0) is var end and >= 0 ? bytes[..end] : bytes;

    private OciFaultException Bad(string what) =>
        new($"its entry {OciFaultException.Quote(Encoding.UTF8.GetString(UpToZero(_header.AsSpan(0, 100))))} has a malformed {what}");

    private static OciFaultException CutShort() => new("its archive is cut short");

    private void SkipContent()
    {
        byte[] buffer = new byte[_left == 0 ? Block : 64 << 10];
        if (stream.CanSeek && _left > 0)
        {
            if (_left > stream.Length - stream.Position)
                throw CutShort();
            stream.Position += _left;
            _left = 0;
        }

        while (_left > 0)
            Read(buffer);
        ReadExactly(buffer.AsSpan(0, _padding));
        _padding = 0;
    }

    private void ReadExactly(Span<byte> buffer)
    {
        if (stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false) < buffer.Length)
            throw CutShort();
    }
}
