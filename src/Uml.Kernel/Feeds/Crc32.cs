namespace Uml.CI;

/// <summary>The checksum of zip files, which .NET's reader does not compare.</summary>
internal struct Crc32
{
    private static readonly uint[] s_table = CreateTable();

    private uint _state;

    /// <summary>The checksum of what was added.</summary>
    public readonly uint Value => _state;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        uint state = ~_state;
        foreach (byte value in bytes)
            state = (state >> 8) ^ s_table[(byte)(state ^ value)];
        _state = ~state;
    }

    private static uint[] CreateTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value >> 1) ^ ((value & 1) == 0 ? 0 : 0xEDB88320);
            table[i] = value;
        }

        return table;
    }
}
