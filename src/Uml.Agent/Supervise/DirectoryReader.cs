using System.Text;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>The names in an open directory, except '.' and '..', each as text and as it stands on the disk.</summary>
internal unsafe struct DirectoryReader(int descriptor)
{
    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _offset;
    private int _length;
    private int _name;
    private int _nameLength;

    /// <summary>The current name's bytes with the terminating zero; names are bytes, and not all are UTF-8.</summary>
    public readonly ReadOnlySpan<byte> Name => _buffer.AsSpan(_name, _nameLength + 1);

    public readonly string Current => Encoding.UTF8.GetString(_buffer, _name, _nameLength);

    public readonly DirectoryReader GetEnumerator() => this;

    public bool MoveNext()
    {
        // struct linux_dirent64 { u64 ino; s64 off; u16 reclen; u8 type; char name[]; }
        const int recordLength = 16, name = 19;
        while (true)
        {
            if (_offset >= _length)
            {
                fixed (byte* p = _buffer)
                    _length = (int)Syscall(SYS_getdents64, descriptor, (nint)p, _buffer.Length, 0, 0, 0);
                _offset = 0;
                if (_length <= 0)
                    return false;
            }

            ReadOnlySpan<byte> record = _buffer.AsSpan(_offset);
            int size = record[recordLength] | record[recordLength + 1] << 8;
            _name = _offset + name;
            _nameLength = _buffer.AsSpan(_name).IndexOf((byte)0);
            _offset += size;
            if (!(_nameLength == 1 && _buffer[_name] == '.') && !(_nameLength == 2 && _buffer[_name] == '.' && _buffer[_name + 1] == '.'))
                return true;
        }
    }
}
