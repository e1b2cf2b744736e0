using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Uml.CI.Wire;

/// <summary>Builds a payload: little-endian integers, UTF-8 strings and lists behind a 32-bit count.</summary>
public sealed class MessageWriter
{
    private byte[] _buffer = new byte[256];
    private int _length;

    /// <summary>What was written so far.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>Appends one byte.</summary>
    public MessageWriter Byte(byte value)
    {
        Reserve(1)[0] = value;
        return this;
    }

    /// <summary>Appends 0 or 1.</summary>
    public MessageWriter Bool(bool value) => Byte(value ? (byte)1 : (byte)0);

    /// <summary>Appends a 32-bit integer.</summary>
    public MessageWriter UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(Reserve(4), value);
        return this;
    }

    /// <summary>Appends a 64-bit integer.</summary>
    public MessageWriter UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(Reserve(8), value);
        return this;
    }

    /// <summary>Appends a 32-bit byte count and the UTF-8 of <paramref name="value"/>.</summary>
    public MessageWriter String(string value)
    {
        int size = Encoding.UTF8.GetByteCount(value);
        UInt32((uint)size);
        Encoding.UTF8.GetBytes(value, Reserve(size));
        return this;
    }

    /// <summary>Appends a 32-bit count and that many strings.</summary>
    public MessageWriter Strings(IReadOnlyList<string> values)
    {
        UInt32((uint)values.Count);
        foreach (string value in values)
            String(value);
        return this;
    }

    private Span<byte> Reserve(int count)
    {
        if (_buffer.Length - _length < count)
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _length + count));
        _length += count;
        return _buffer.AsSpan(_length - count, count);
    }
}

/// <summary>Takes a payload apart, and refuses one that is too short, too long or malformed.</summary>
public ref struct MessageReader
{
    private readonly FrameType _type;
    private ReadOnlySpan<byte> _rest;

    /// <summary>Reads <paramref name="payload"/> of a frame of type <paramref name="type"/>, which error texts name.</summary>
    public MessageReader(FrameType type, ReadOnlySpan<byte> payload)
    {
        _type = type;
        _rest = payload;
    }

    /// <summary>Reads one byte.</summary>
    public byte Byte() => Take(1)[0];

    /// <summary>Reads 0 or 1.</summary>
    public bool Bool() => Byte() switch
    {
        0 => false,
        1 => true,
        byte other => throw new WireException($"{_type}: a flag is {other}, not 0 or 1"),
    };

    /// <summary>Reads a 32-bit integer.</summary>
    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    /// <summary>Reads a 64-bit integer.</summary>
    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>Reads a string.</summary>
    public string String()
    {
        ReadOnlySpan<byte> bytes = Take(Count(1));
        if (!Utf8.IsValid(bytes))
            throw new WireException($"{_type}: a string is not UTF-8");
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Reads a list of strings.</summary>
    public string[] Strings()
    {
        var values = new string[Count(4)];
        for (int i = 0; i < values.Length; i++)
            values[i] = String();
        return values;
    }

    /// <summary>Reads a count of things of at least <paramref name="minimumSize"/> bytes each, so that a corrupt count allocates nothing.</summary>
    public int Count(int minimumSize)
    {
        uint count = UInt32();
        if ((ulong)count * (ulong)minimumSize > (ulong)_rest.Length)
            throw new WireException($"{_type}: announces {count} items in {_rest.Length} bytes");
        return (int)count;
    }

    /// <summary>Says that everything was read; what is left is an error.</summary>
    public readonly void End()
    {
        if (!_rest.IsEmpty)
            throw new WireException($"{_type}: {_rest.Length} bytes too many");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (_rest.Length < count)
            throw new WireException($"{_type}: ends {count - _rest.Length} bytes early");
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
