using System.Buffers.Binary;
using System.Text;

namespace Uml.CI.Cli;

/// <summary>
/// Reads from what a test program tells "dotnet test" which files it has left behind. A message is a length, a kind and fields
/// (Microsoft.Testing.Platform, ServerMode/DotnetTest and IPC/NamedPipeBase.cs); of all kinds one is of interest here.
/// </summary>
/// <param name="found">Told the path of each file.</param>
internal sealed class ArtifactReader(Action<string> found)
{
    private const int FileArtifactMessages = 7;
    private const ushort ListField = 3, FullPathField = 1;
    private const int HeaderSize = 8;
    private const int LongestMessage = 4 * 1024 * 1024;

    private readonly List<byte> _message = [];
    private long _skip;

    /// <summary>Takes the next bytes.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_skip > 0)
            {
                int skipped = (int)Math.Min(_skip, bytes.Length);
                _skip -= skipped;
                bytes = bytes[skipped..];
                continue;
            }

            int wanted = Wanted() - _message.Count;
            int taken = Math.Min(wanted, bytes.Length);
            _message.AddRange(bytes[..taken]);
            bytes = bytes[taken..];
            if (taken == wanted)
                Advance();
        }
    }

    private int Wanted() => _message.Count < HeaderSize ? HeaderSize : HeaderSize + BodyLength();

    // The length counts the kind, too.
    private int BodyLength() => BinaryPrimitives.ReadInt32LittleEndian(Bytes()) - sizeof(int);

    private ReadOnlySpan<byte> Bytes() => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_message);

    private void Advance()
    {
        int length = BodyLength();
        if (_message.Count == HeaderSize)
        {
            int kind = BinaryPrimitives.ReadInt32LittleEndian(Bytes()[4..]);
            if (kind == FileArtifactMessages && length is > 0 and <= LongestMessage)
                return;
            // A length that makes no sense: this is another protocol, and nothing in it is for us.
            _skip = length >= 0 ? length : long.MaxValue;
        }
        else
        {
            ReadList(Bytes()[HeaderSize..]);
        }

        _message.Clear();
    }

    private void ReadList(ReadOnlySpan<byte> body)
    {
        var message = new Fields(body);
        while (message.Next(ListField, out ReadOnlySpan<byte> list))
        {
            if (list.Length < sizeof(int))
                return;
            int count = BinaryPrimitives.ReadInt32LittleEndian(list);
            ReadOnlySpan<byte> rest = list[sizeof(int)..];
            for (int i = 0; i < count && !rest.IsEmpty; i++)
            {
                var artifact = new Fields(rest);
                while (artifact.Next(FullPathField, out ReadOnlySpan<byte> path))
                    found(Encoding.UTF8.GetString(path));
                rest = artifact.Rest;
            }
        }
    }

    /// <summary>The fields of one object: how many, then for each a number, a length and a value.</summary>
    private ref struct Fields
    {
        private int _left;

        public Fields(ReadOnlySpan<byte> bytes)
        {
            Rest = bytes;
            if (Rest.Length < sizeof(ushort))
                return;
            _left = BinaryPrimitives.ReadUInt16LittleEndian(Rest);
            Rest = Rest[sizeof(ushort)..];
        }

        /// <summary>What follows the fields gone through; empty after one that is broken.</summary>
        public ReadOnlySpan<byte> Rest { get; private set; }

        /// <summary>Goes on to the next field of a number. False at the end.</summary>
        public bool Next(ushort wanted, out ReadOnlySpan<byte> value)
        {
            const int header = sizeof(ushort) + sizeof(int);
            for (; _left > 0; _left--)
            {
                int length = Rest.Length < header ? -1 : BinaryPrimitives.ReadInt32LittleEndian(Rest[sizeof(ushort)..]);
                if (length < 0 || length > Rest.Length - header)
                {
                    _left = 0;
                    Rest = default;
                    break;
                }

                ushort number = BinaryPrimitives.ReadUInt16LittleEndian(Rest);
                value = Rest.Slice(header, length);
                Rest = Rest[(header + length)..];
                if (number != wanted)
                    continue;
                _left--;
                return true;
            }

            value = default;
            return false;
        }
    }
}
