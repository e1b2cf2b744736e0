using System.Buffers.Binary;
using System.Text;

namespace Uml.CI.Wire;

/// <summary>Reads a file, symbolic link or directory as the byte stream that <see cref="TreeFormat"/> describes.</summary>
/// <remarks>
/// The tree is walked while the stream is read, so that its size does not matter. A file that changes meanwhile arrives
/// as it was read, never as a broken stream. Not thread safe.
/// </remarks>
public sealed class TreePacker : IDisposable
{
    private const int ZeroBlock = 4096;

    // Each remembered link costs memory until its last name has been seen; past this, names become files of their own.
    private const int MaxLinks = 16384;

    private readonly string _root;
    private readonly Stack<Level> _levels = new();
    private readonly Dictionary<(ulong FileSystem, ulong Inode), (byte[] Path, uint Left)> _links = [];

    // What was produced and not yet handed out. A chunk's data is read to behind the room for its header.
    private readonly byte[] _buffer = new byte[TreeFormat.ChunkHeader + TreeFormat.MaxChunk];
    private int _start;
    private int _end;

    private State _state = State.Root;
    private ulong _entries;
    private ulong _bytes;
    private TreeException? _failure;

    private int _file = -1;
    private byte[] _fileName = [];
    private long _offset;
    private long _written;
    private long _size;
    private long _dataEnd;

    /// <summary>Prepares to read the tree at <paramref name="path"/>; a symbolic link is packed as such.</summary>
    /// <exception cref="TreeException">The path is not absolute.</exception>
    public TreePacker(string path) => _root = TreeFormat.Absolute(path);

    private enum State
    {
        Root,
        Entries,
        SizedFile,
        StreamedFile,
        End,
        Done,
    }

    /// <summary>Fills <paramref name="destination"/> with the next bytes of the stream, as many as fit.</summary>
    /// <returns>How many bytes; 0 at the end of the stream.</returns>
    /// <exception cref="TreeException">Something cannot be read. The stream has no end, and the other side will refuse it.</exception>
    public int Read(Span<byte> destination)
    {
        if (_failure != null)
            throw _failure;

        try
        {
            int filled = 0;
            while (filled < destination.Length)
            {
                if (_start == _end)
                {
                    _start = _end = 0;
                    if (_state == State.Done)
                        break;
                    Produce();
                    continue;
                }

                int count = Math.Min(_end - _start, destination.Length - filled);
                _buffer.AsSpan(_start, count).CopyTo(destination[filled..]);
                _start += count;
                filled += count;
            }

            return filled;
        }
        catch (TreeException failure)
        {
            _failure = failure;
            Dispose();
            throw;
        }
    }

    /// <summary>Closes what is open.</summary>
    public void Dispose()
    {
        CloseFile();
        while (_levels.TryPop(out Level? level))
            _ = TreeNative.Close(level.Descriptor);
    }

    /// <summary>Puts the next piece into the empty buffer, or at least gets closer to it.</summary>
    private void Produce()
    {
        switch (_state)
        {
            case State.Root:
                Append(TreeFormat.Preamble);
                _state = State.End;
                Entry(TreeNative.AtCurrentDirectory, [], TreeNative.Terminated(_root));
                break;

            case State.Entries:
                Level level = _levels.Peek();
                if (level.Next(out byte[]? name, out int error))
                {
                    Entry(level.Descriptor, name, TreeNative.Terminated(name));
                }
                else if (error != 0)
                {
                    throw Failure([], "cannot be listed", error);
                }
                else
                {
                    _ = TreeNative.Close(level.Descriptor);
                    _levels.Pop();
                    Append([(byte)TreeRecord.Leave]);
                    _state = AfterEntry;
                }

                break;

            case State.SizedFile:
                SizedChunk();
                break;

            case State.StreamedFile:
                StreamedChunk();
                break;

            case State.End:
                Span<byte> end = stackalloc byte[17];
                end[0] = (byte)TreeRecord.End;
                BinaryPrimitives.WriteUInt64LittleEndian(end[1..], _entries);
                BinaryPrimitives.WriteUInt64LittleEndian(end[9..], _bytes);
                Append(end);
                _state = State.Done;
                break;
        }
    }

    private State AfterEntry => _levels.Count == 0 ? State.End : State.Entries;

    private void Entry(int directory, byte[] name, byte[] path)
    {
        int error = TreeNative.Stat(directory, path, TreeNative.AtSymlinkNoFollow, out TreeStat stat);
        if (error == -TreeNative.ENOENT && name.Length > 0)
        {
            Warn(name, "vanished while its directory was read");
            return;
        }

        Check(error, name, "cannot be read");
        switch (stat.Type)
        {
            case TreeNative.TypeDirectory:
                EnterDirectory(directory, name, path, stat);
                break;

            case TreeNative.TypeFile:
                if (!TryHardLink(name, stat))
                    StartFile(directory, name, path);
                break;

            case TreeNative.TypeSymlink:
                Span<byte> target = stackalloc byte[TreeFormat.MaxText + 1];
                int length = TreeNative.ReadLink(directory, path, target);
                Check(length, name, "cannot be read");
                if (length is 0 or > TreeFormat.MaxText)
                    throw new TreeException(Display(name), $"is a symbolic link of {length} bytes; 1 to {TreeFormat.MaxText} can be copied");
                Begin(TreeRecord.Symlink, name);
                Time(stat);
                Text(target[..length]);
                break;

            case TreeNative.TypeFifo:
                Begin(TreeRecord.Fifo, name);
                Plain(stat);
                break;

            case TreeNative.TypeCharacter or TreeNative.TypeBlock:
                Begin(stat.Type == TreeNative.TypeBlock ? TreeRecord.BlockDevice : TreeRecord.CharacterDevice, name);
                Plain(stat);
                UInt32(stat.DeviceMajor);
                UInt32(stat.DeviceMinor);
                break;

            default:
                if (name.Length == 0)
                    throw new TreeException(_root, "is a socket, which cannot be copied");
                Warn(name, "is a socket and was left out");
                break;
        }
    }

    private void EnterDirectory(int directory, byte[] name, byte[] path, in TreeStat stat)
    {
        if (_levels.Count == TreeFormat.MaxDepth)
            throw new TreeException(Display(name), $"is nested deeper than {TreeFormat.MaxDepth} directories, which cannot be copied");

        int descriptor = TreeNative.Open(directory, path, TreeNative.ReadOnly | TreeNative.Directory | TreeNative.NoFollow);
        Check(descriptor, name, "cannot be opened");
        _levels.Push(new Level(descriptor, name));
        Begin(TreeRecord.Directory, name);
        Plain(stat);
        _state = State.Entries;
    }

    private bool TryHardLink(byte[] name, in TreeStat stat)
    {
        if (stat.Links < 2 || name.Length == 0)
            return false;

        var key = (stat.FileSystem, stat.Inode);
        if (_links.TryGetValue(key, out (byte[] Path, uint Left) known))
        {
            if (known.Left > 1)
                _links[key] = known with { Left = known.Left - 1 };
            else
                _links.Remove(key);
            Begin(TreeRecord.HardLink, name);
            Text(known.Path);
            return true;
        }

        byte[] path = PathBelowRoot(name);
        if (_links.Count < MaxLinks && path.Length <= TreeFormat.MaxText)
            _links.Add(key, (path, stat.Links - 1));
        return false;
    }

    private void StartFile(int directory, byte[] name, byte[] path)
    {
        // Non-blocking, because a file may have become a fifo since, and some files of /proc wait for news.
        _file = TreeNative.Open(directory, path, TreeNative.ReadOnly | TreeNative.NoFollow | TreeNative.NonBlocking);
        Check(_file, name, "cannot be opened");
        Check(TreeNative.Stat(_file, out TreeStat stat), name, "cannot be read");
        if (stat.Type != TreeNative.TypeFile)
            throw new TreeException(Display(name), "was replaced by something else while it was opened");

        Begin(TreeRecord.File, name);
        Plain(stat);
        _fileName = name;
        _offset = _written = _dataEnd = 0;
        _size = stat.Size;

        // Files of /proc say that they are empty and are not; only reading tells.
        _state = stat.Size == 0 ? State.StreamedFile : State.SizedFile;
    }

    private void StreamedChunk()
    {
        int count = TreeNative.Read(_file, _buffer.AsSpan(TreeFormat.ChunkHeader));
        Check(count, _fileName, "cannot be read");
        if (count == 0)
            EndFile(_offset);
        else
            Chunk(count);
    }

    private void SizedChunk()
    {
        if (_offset >= _dataEnd && _offset < _size)
            FindData();
        if (_offset >= _size)
        {
            EndFile(_size);
            return;
        }

        int wanted = (int)Math.Min(TreeFormat.MaxChunk, _dataEnd - _offset);
        int count = TreeNative.Read(_file, _buffer.AsSpan(TreeFormat.ChunkHeader, wanted), _offset);
        Check(count, _fileName, "cannot be read");
        if (count > 0)
        {
            Chunk(count);
            return;
        }

        // Shorter than it said it was. Either it shrank, or it never was so long (sysfs says 4096 for everything).
        Check(TreeNative.Stat(_file, out TreeStat stat), _fileName, "cannot be read");
        bool shrank = stat.Size < _size;
        EndFile(shrank ? Math.Max(stat.Size, _written) : _offset);
        if (shrank)
            Warn(_fileName, "shrank while it was read");
    }

    private void FindData()
    {
        long data = TreeNative.Seek(_file, _offset, TreeNative.SeekData);
        if (data == -TreeNative.ENXIO)
        {
            _offset = _size;
            return;
        }

        // Where the file system does not know its holes, all of it is data.
        if (data < 0)
        {
            _dataEnd = _size;
            return;
        }

        _offset = data;
        long hole = TreeNative.Seek(_file, data, TreeNative.SeekHole);
        _dataEnd = hole > data ? Math.Min(hole, _size) : _size;
    }

    /// <summary>Emits the data at <see cref="_offset"/> without the zero blocks around it: hostfs knows no holes.</summary>
    private void Chunk(int count)
    {
        ReadOnlySpan<byte> data = _buffer.AsSpan(TreeFormat.ChunkHeader, count);
        int first = data.IndexOfAnyExcept((byte)0);
        if (first >= 0)
        {
            first -= first % ZeroBlock;
            int last = data.LastIndexOfAnyExcept((byte)0) + 1;
            last = Math.Min(count, (last + ZeroBlock - 1) / ZeroBlock * ZeroBlock);

            _start = first;
            _end = TreeFormat.ChunkHeader + last;
            ChunkHeader(_buffer.AsSpan(_start), _offset + first, last - first);
            _bytes += (ulong)(last - first);
            _written = _offset + last;
        }

        _offset += count;
    }

    private void EndFile(long size)
    {
        CloseFile();
        Span<byte> header = stackalloc byte[TreeFormat.ChunkHeader];
        ChunkHeader(header, size, 0);
        Append(header);
        _state = AfterEntry;
    }

    private void CloseFile()
    {
        if (_file >= 0)
            _ = TreeNative.Close(_file);
        _file = -1;
    }

    private static void ChunkHeader(Span<byte> destination, long offset, int length)
    {
        BinaryPrimitives.WriteInt64LittleEndian(destination, offset);
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], length);
    }

    private void Begin(TreeRecord kind, ReadOnlySpan<byte> name)
    {
        _entries++;
        Append([(byte)kind, (byte)name.Length]);
        Append(name);
    }

    private void Plain(in TreeStat stat)
    {
        UInt32(stat.Mode);
        Time(stat);
    }

    private void Time(in TreeStat stat)
    {
        Span<byte> time = stackalloc byte[TreeFormat.TimeSize];
        BinaryPrimitives.WriteInt64LittleEndian(time, stat.Seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(time[8..], stat.Nanoseconds);
        Append(time);
    }

    private void Text(ReadOnlySpan<byte> text)
    {
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)text.Length);
        Append(length);
        Append(text);
    }

    private void UInt32(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        Append(bytes);
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_end));
        _end += bytes.Length;
    }

    private void Warn(ReadOnlySpan<byte> name, string text)
    {
        string path = Display(name);
        if (path.Length > 1000)
            path = string.Concat("...", path.AsSpan(path.Length - 1000));
        Append([(byte)TreeRecord.Warning]);
        Text(Encoding.UTF8.GetBytes($"{path}: {text}"));
    }

    private void Check(int result, ReadOnlySpan<byte> name, string text)
    {
        if (result < 0)
            throw Failure(name, text, -result);
    }

    private TreeException Failure(ReadOnlySpan<byte> name, string text, int errno) =>
        new(Display(name), $"{text}: {TreeNative.ErrorText(errno)}", errno);

    private string Display(ReadOnlySpan<byte> name)
    {
        byte[] below = PathBelowRoot(name);
        return below.Length == 0 ? _root : $"{(_root == "/" ? "" : _root)}/{TreeFormat.Display(below)}";
    }

    /// <summary>The path of an entry of the innermost directory (or that directory, if the name is empty) from the root entry.</summary>
    private byte[] PathBelowRoot(ReadOnlySpan<byte> name)
    {
        var path = new List<byte>();
        foreach (Level level in _levels.Reverse())
            Join(path, level.Name);
        Join(path, name);
        return [.. path];

        static void Join(List<byte> path, ReadOnlySpan<byte> name)
        {
            if (name.IsEmpty)
                return;
            if (path.Count > 0)
                path.Add((byte)'/');
            path.AddRange(name);
        }
    }

    /// <summary>A directory that is being read.</summary>
    private sealed class Level(int descriptor, byte[] name)
    {
        private readonly byte[] _records = new byte[16 * 1024];
        private int _next;
        private int _filled;

        public int Descriptor { get; } = descriptor;

        public byte[] Name { get; } = name;

        public bool Next([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out byte[]? name, out int error)
        {
            name = null;
            error = 0;
            while (true)
            {
                if (_next == _filled)
                {
                    int count = TreeNative.ReadEntries(Descriptor, _records);
                    if (count <= 0)
                    {
                        error = -count;
                        return false;
                    }

                    _next = 0;
                    _filled = count;
                }

                // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name with its NUL.
                ReadOnlySpan<byte> record = _records.AsSpan(_next, _filled - _next);
                record = record[..BinaryPrimitives.ReadUInt16LittleEndian(record[16..])];
                _next += record.Length;
                record = record[19..];
                record = record[..record.IndexOf((byte)0)];
                if (!TreeFormat.IsName(record))
                    continue;
                name = record.ToArray();
                return true;
            }
        }
    }
}
