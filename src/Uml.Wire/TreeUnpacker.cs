using System.Buffers.Binary;
using System.Text;

namespace Uml.CI.Wire;

/// <summary>Creates a file, symbolic link or directory from the byte stream that <see cref="TreeFormat"/> describes.</summary>
/// <remarks>
/// <para>
/// The stream is not trusted: the host unpacks what a guest sends. Everything is created relative to the descriptor of
/// a directory of the tree, symbolic links below the destination are never followed, and every file is written under a
/// temporary name and then renamed, so that nothing half-written stands under a name of the tree.
/// </para>
/// <para>
/// A directory of the tree that exists already is merged into and keeps its mode; anything else that exists is
/// replaced, but never a directory by something that is none, nor the other way round. Symbolic links in the
/// destination path itself are the caller's and are followed. Not thread safe.
/// </para>
/// </remarks>
public sealed class TreeUnpacker : IDisposable
{
    private const int MaxWarnings = 1000;
    private const uint SetIdBits = 0xC00;

    private static int s_lastTemporary;

    private readonly string _destination;
    private readonly bool _keepSpecialBits;
    private readonly List<string> _warnings = [];
    private readonly Stack<Level> _levels = new();

    // The part of a record that has arrived; a record is taken when _need bytes are there.
    private readonly byte[] _buffer = new byte[TreeFormat.MaxText + 1];
    private int _have;
    private int _need = TreeFormat.Preamble.Length;
    private State _state = State.Preamble;
    private TreeException? _failure;

    private int _parent = -1;
    private byte[] _rootName = [];

    private TreeRecord _kind;
    private byte[] _name = [];
    private Attributes _attributes;
    private ulong _entries;
    private ulong _bytes;

    private int _file = -1;
    private byte[]? _temporary;
    private long _written;
    private int _chunkLeft;

    /// <summary>Prepares to create the tree at <paramref name="destination"/>; missing parent directories are made.</summary>
    /// <param name="destination">Absolute path that the stream's root entry gets.</param>
    /// <param name="keepSpecialBits">
    /// Whether the sender may make files set-user-id and set-group-id, and device nodes. True in a guest; on a host
    /// it would let a guest's root become anybody who runs what it sent.
    /// </param>
    /// <exception cref="TreeException">The path is not absolute.</exception>
    public TreeUnpacker(string destination, bool keepSpecialBits = false)
    {
        _destination = TreeFormat.Absolute(destination);
        _keepSpecialBits = keepSpecialBits;
    }

    /// <summary>What was left out or could not be set, at either end; a line each.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    private enum State
    {
        Preamble,
        Record,
        NameLength,
        Name,
        Fields,
        TextLength,
        Text,
        ChunkHeader,
        ChunkData,
        End,
        Done,
    }

    /// <summary>Takes the next bytes of the stream, however it was cut.</summary>
    /// <exception cref="TreeException">The stream is malformed, or something cannot be created. Nothing more can be written.</exception>
    public void Write(ReadOnlySpan<byte> data)
    {
        if (_failure != null)
            throw _failure;

        try
        {
            Consume(data);
        }
        catch (TreeException failure)
        {
            _failure = failure;
            Dispose();
            throw;
        }
    }

    /// <summary>Says that the stream ended, and checks that it was whole.</summary>
    /// <exception cref="TreeException">The stream was cut short.</exception>
    public void Complete()
    {
        if (_failure != null)
            throw _failure;
        if (_state == State.Done)
            return;

        _failure = Malformed("ends before its end record");
        Dispose();
        throw _failure;
    }

    /// <summary>Closes what is open and removes a file that was not finished.</summary>
    public void Dispose()
    {
        if (_file >= 0)
            _ = TreeNative.Close(_file);
        _file = -1;
        if (_temporary != null)
            _ = TreeNative.Remove(Directory, _temporary);
        _temporary = null;
        while (_levels.TryPop(out Level? level))
            _ = TreeNative.Close(level.Descriptor);
        if (_parent >= 0)
            _ = TreeNative.Close(_parent);
        _parent = -1;
        if (_state != State.Done)
            _failure ??= new TreeException(_destination, "the copy was abandoned");
    }

    private int Directory => _levels.TryPeek(out Level? level) ? level.Descriptor : _parent;

    private void Consume(ReadOnlySpan<byte> data)
    {
        while (true)
        {
            if (_state == State.ChunkData)
            {
                int count = Math.Min(_chunkLeft, data.Length);
                WriteFile(data[..count]);
                data = data[count..];
                if (_chunkLeft > 0)
                    return;
                Expect(State.ChunkHeader, TreeFormat.ChunkHeader);
            }

            if (_state == State.Done && !data.IsEmpty)
                throw Malformed("goes on after its end record");

            int taken = Math.Min(_need - _have, data.Length);
            data[..taken].CopyTo(_buffer.AsSpan(_have));
            _have += taken;
            data = data[taken..];
            if (_have < _need || _state == State.Done)
                return;

            ReadOnlySpan<byte> record = _buffer.AsSpan(0, _need);
            _have = 0;
            Take(record);
        }
    }

    private void Expect(State state, int need)
    {
        _state = state;
        _need = need;
    }

    private void Take(ReadOnlySpan<byte> record)
    {
        switch (_state)
        {
            case State.Preamble:
                if (!record[..^1].SequenceEqual(TreeFormat.Preamble[..^1]))
                    throw Malformed("does not start like a file tree");
                if (record[^1] != TreeFormat.Version)
                    throw Malformed($"has version {record[^1]}, not {TreeFormat.Version}");
                Expect(State.Record, 1);
                break;

            case State.Record:
                TakeKind((TreeRecord)record[0]);
                break;

            case State.NameLength:
                if (record[0] == 0)
                    TakeName([]);
                else
                    Expect(State.Name, record[0]);
                break;

            case State.Name:
                TakeName(record);
                break;

            case State.Fields:
                TakeFields(record);
                break;

            case State.TextLength:
                int length = BinaryPrimitives.ReadUInt16LittleEndian(record);
                if (length is 0 or > TreeFormat.MaxText)
                    throw Malformed($"has a {_kind} record with a text of {length} bytes; 1 to {TreeFormat.MaxText} are allowed");
                Expect(State.Text, length);
                break;

            case State.Text:
                TakeText(record);
                Expect(State.Record, 1);
                break;

            case State.ChunkHeader:
                TakeChunk(record);
                break;

            case State.End:
                ulong entries = BinaryPrimitives.ReadUInt64LittleEndian(record);
                ulong bytes = BinaryPrimitives.ReadUInt64LittleEndian(record[8..]);
                if (entries != _entries || bytes != _bytes)
                    throw Malformed($"should have {entries} entries and {bytes} bytes of data, but has {_entries} and {_bytes}");
                Expect(State.Done, 0);
                Dispose();
                break;

            default:
                throw new InvalidOperationException();
        }
    }

    private void TakeKind(TreeRecord kind)
    {
        _kind = kind;
        switch (kind)
        {
            case >= TreeRecord.Directory and <= TreeRecord.HardLink:
                if (_entries > 0 && _levels.Count == 0)
                    throw Malformed("has more than one root entry");
                Expect(State.NameLength, 1);
                break;

            case TreeRecord.Leave:
                if (!_levels.TryPop(out Level? level))
                    throw Malformed("leaves a directory that it did not enter");
                LeaveDirectory(level);
                Expect(State.Record, 1);
                break;

            case TreeRecord.Warning:
                Expect(State.TextLength, 2);
                break;

            case TreeRecord.End:
                if (_entries == 0 || _levels.Count > 0)
                    throw Malformed("has its end record inside of the tree");
                Expect(State.End, 16);
                break;

            default:
                throw Malformed($"has a record of kind {(byte)kind}, which does not exist");
        }
    }

    private void TakeName(ReadOnlySpan<byte> name)
    {
        bool root = _levels.Count == 0;
        if (root)
        {
            if (!name.IsEmpty)
                throw Malformed($"gives its root entry the name \"{TreeFormat.Display(name)}\"");
            OpenParent();
            _name = _rootName;

            // Renaming over it would fail as well, but only after all of a large file was written.
            bool replaces = _kind != TreeRecord.Directory
                && TreeNative.Stat(_parent, _rootName, TreeNative.AtSymlinkNoFollow, out TreeStat existing) == 0
                && existing.Type == TreeNative.TypeDirectory;
            if (replaces)
                throw NotReplaced();
        }
        else
        {
            if (!TreeFormat.IsName(name))
                throw Malformed($"has an entry named \"{TreeFormat.Display(name)}\", which is not a file name");
            _name = TreeNative.Terminated(name);
        }

        _entries++;
        _attributes = default;
        switch (_kind)
        {
            case TreeRecord.HardLink:
                if (root)
                    throw Malformed("has a hard link as its root entry");
                Expect(State.TextLength, 2);
                break;

            case TreeRecord.Symlink:
                Expect(State.Fields, TreeFormat.TimeSize);
                break;

            case TreeRecord.CharacterDevice or TreeRecord.BlockDevice:
                Expect(State.Fields, TreeFormat.PlainSize + 8);
                break;

            default:
                Expect(State.Fields, TreeFormat.PlainSize);
                break;
        }
    }

    private void TakeFields(ReadOnlySpan<byte> fields)
    {
        uint mode = 0;
        if (_kind != TreeRecord.Symlink)
        {
            mode = BinaryPrimitives.ReadUInt32LittleEndian(fields);
            if ((mode & ~TreeFormat.ModeMask) != 0)
                throw Malformed($"gives {Display(_name)} the mode {mode:x}, which has more than twelve bits");
            if (!_keepSpecialBits)
                mode &= ~SetIdBits;
            fields = fields[4..];
        }

        long seconds = BinaryPrimitives.ReadInt64LittleEndian(fields);
        uint nanoseconds = BinaryPrimitives.ReadUInt32LittleEndian(fields[8..]);
        if (nanoseconds > 999_999_999)
            throw Malformed($"gives {Display(_name)} a time with {nanoseconds} nanoseconds");
        _attributes = new Attributes(mode, seconds, nanoseconds);
        fields = fields[TreeFormat.TimeSize..];

        switch (_kind)
        {
            case TreeRecord.Directory:
                EnterDirectory();
                Expect(State.Record, 1);
                break;

            case TreeRecord.File:
                Create("cannot be created", (directory, name) =>
                {
                    _file = TreeNative.Open(
                        directory, name, TreeNative.WriteOnly | TreeNative.Create | TreeNative.Exclusive | TreeNative.NoFollow, 0x180);
                    return _file;
                });
                _written = 0;
                Expect(State.ChunkHeader, TreeFormat.ChunkHeader);
                break;

            case TreeRecord.Symlink:
                Expect(State.TextLength, 2);
                break;

            default:
                uint type = TreeNative.TypeFifo;
                uint major = 0;
                uint minor = 0;
                if (_kind != TreeRecord.Fifo)
                {
                    type = _kind == TreeRecord.BlockDevice ? TreeNative.TypeBlock : TreeNative.TypeCharacter;
                    major = BinaryPrimitives.ReadUInt32LittleEndian(fields);
                    minor = BinaryPrimitives.ReadUInt32LittleEndian(fields[4..]);
                }

                MakeNode(type, major, minor);
                Expect(State.Record, 1);
                break;
        }
    }

    private void TakeText(ReadOnlySpan<byte> text)
    {
        if (_kind == TreeRecord.Warning)
        {
            Warn(TreeFormat.Display(text));
            return;
        }

        if (text.Contains((byte)0))
            throw Malformed($"has a link {Display(_name)} whose target has a NUL in it");
        if (_kind == TreeRecord.HardLink)
        {
            LinkFile(text);
            return;
        }

        byte[] target = TreeNative.Terminated(text);
        Create("cannot be created", (directory, name) => TreeNative.MakeSymlink(target, directory, name));
        SetTimeByName();
        Place();
    }

    private void OpenParent()
    {
        if (_destination == "/")
        {
            _parent = TreeNative.Open(TreeNative.AtCurrentDirectory, "/\0"u8.ToArray(), TreeNative.PathOnly | TreeNative.Directory);
            _rootName = ".\0"u8.ToArray();
            CheckParent("/", _parent);
            return;
        }

        string parent = Path.GetDirectoryName(_destination)!;
        _rootName = TreeNative.Terminated(Path.GetFileName(_destination));
        for (int slash = parent.IndexOf('/', 1); parent.Length > 1; slash = parent.IndexOf('/', slash + 1))
        {
            string ancestor = slash < 0 ? parent : parent[..slash];
            int error = TreeNative.MakeDirectory(TreeNative.AtCurrentDirectory, TreeNative.Terminated(ancestor), 0x1FF);
            if (error < 0 && !System.IO.Directory.Exists(ancestor))
                CheckParent(ancestor, error);
            if (slash < 0)
                break;
        }

        _parent = TreeNative.Open(
            TreeNative.AtCurrentDirectory, TreeNative.Terminated(parent), TreeNative.PathOnly | TreeNative.Directory);
        CheckParent(parent, _parent);
    }

    private static void CheckParent(string parent, int result)
    {
        if (result < 0)
            throw new TreeException(parent, $"cannot be made a directory for the copy: {TreeNative.ErrorText(-result)}", -result);
    }

    private void EnterDirectory()
    {
        if (_levels.Count == TreeFormat.MaxDepth)
            throw Malformed($"has {Display(_name)} nested deeper than {TreeFormat.MaxDepth} directories");

        int made = TreeNative.MakeDirectory(Directory, _name, 0x1C0);
        if (made != -TreeNative.EEXIST)
            Check(made, "cannot be created");

        // A directory that was there may not be readable to us; passing through is all that merging needs.
        bool isNew = made == 0;
        bool isRoot = _levels.Count == 0;
        int flags = TreeNative.Directory | (isNew ? TreeNative.ReadOnly : TreeNative.PathOnly) | (isRoot && !isNew ? 0 : TreeNative.NoFollow);
        int descriptor = TreeNative.Open(Directory, _name, flags);
        if (descriptor is -TreeNative.ENOTDIR or -TreeNative.ELOOP)
            throw new TreeException(Display(_name), "exists and is not a directory; remove it first", -descriptor);
        Check(descriptor, "cannot be opened");
        _levels.Push(new Level(descriptor, isRoot ? [] : _name, isNew, _attributes));
    }

    private void LeaveDirectory(Level level)
    {
        if (level.IsNew)
        {
            Complain(TreeNative.SetMode(level.Descriptor, level.Attributes.Mode), level.Name, "mode");
            Complain(TreeNative.SetTime(level.Descriptor, level.Attributes.Seconds, level.Attributes.Nanoseconds), level.Name, "time");
        }

        _ = TreeNative.Close(level.Descriptor);
    }

    private void TakeChunk(ReadOnlySpan<byte> header)
    {
        long offset = BinaryPrimitives.ReadInt64LittleEndian(header);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (length > TreeFormat.MaxChunk)
            throw Malformed($"has {length} bytes in one chunk of {Display(_name)}, over the limit of {TreeFormat.MaxChunk}");
        if (offset < _written || offset > long.MaxValue - length)
            throw Malformed($"has a chunk of {Display(_name)} at {offset}, behind {_written}");

        if (length > 0)
        {
            _written = offset;
            _chunkLeft = (int)length;
            _bytes += length;
            Expect(State.ChunkData, 0);
            return;
        }

        if (offset > _written)
            Check(TreeNative.SetSize(_file, offset), "cannot be made as long as it was");
        Complain(TreeNative.SetMode(_file, _attributes.Mode), _name, "mode");
        Complain(TreeNative.SetTime(_file, _attributes.Seconds, _attributes.Nanoseconds), _name, "time");
        int closed = TreeNative.Close(_file);
        _file = -1;
        Check(closed, "cannot be written");
        Place();
        Expect(State.Record, 1);
    }

    private void WriteFile(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            int count = TreeNative.Write(_file, data, _written);
            Check(count, "cannot be written");
            _written += count;
            _chunkLeft -= count;
            data = data[count..];
        }
    }

    private void MakeNode(uint type, uint major, uint minor)
    {
        if (type != TreeNative.TypeFifo && !_keepSpecialBits)
        {
            Warn($"{Display(_name)}: is a device node, which only a guest may be given, and was left out");
            return;
        }

        int error = Create(null, (directory, name) => TreeNative.MakeNode(directory, name, type | 0x180, major, minor));
        if (error == -TreeNative.EPERM)
        {
            Warn($"{Display(_name)}: was left out: {TreeNative.ErrorText(-error)}");
            return;
        }

        Check(error, "cannot be created");
        Complain(TreeNative.SetMode(Directory, _temporary!, _attributes.Mode), _name, "mode");
        SetTimeByName();
        Place();
    }

    /// <summary>Gives a file that this tree has already a second name.</summary>
    private void LinkFile(ReadOnlySpan<byte> path)
    {
        string shown = TreeFormat.Display(path);
        int opened = -1;
        int directory = _levels.Last().Descriptor;
        try
        {
            while (true)
            {
                int slash = path.IndexOf((byte)'/');
                ReadOnlySpan<byte> component = slash < 0 ? path : path[..slash];
                if (!TreeFormat.IsName(component))
                    throw Malformed($"links {Display(_name)} to \"{shown}\", which is not a path inside of the tree");
                byte[] name = TreeNative.Terminated(component);
                if (slash < 0)
                {
                    // Not to follow a symbolic link is linkat's default; to link one would be harmless.
                    int from = directory;
                    Create($"cannot be linked to {shown}", (to, temporary) => TreeNative.MakeLink(from, name, to, temporary));
                    byte[] placed = _temporary!;
                    Place();

                    // Renaming one name of a file to another name of the same file does nothing at all.
                    _ = TreeNative.Remove(Directory, placed);
                    return;
                }

                int next = TreeNative.Open(directory, name, TreeNative.PathOnly | TreeNative.Directory | TreeNative.NoFollow);
                Check(next, $"cannot be linked to {shown}");
                if (opened >= 0)
                    _ = TreeNative.Close(opened);
                directory = opened = next;
                path = path[(slash + 1)..];
            }
        }
        finally
        {
            if (opened >= 0)
                _ = TreeNative.Close(opened);
        }
    }

    /// <summary>Makes something under a name that nothing has, next to where it will stand.</summary>
    private int Create(string? failure, Func<int, byte[], int> make)
    {
        while (true)
        {
            int number = Interlocked.Increment(ref s_lastTemporary);
            byte[] name = TreeNative.Terminated($".uml-copy-{Environment.ProcessId}-{number}");
            int result = make(Directory, name);
            if (result == -TreeNative.EEXIST)
                continue;
            if (result >= 0)
                _temporary = name;
            else if (failure != null)
                Check(result, failure);
            return result;
        }
    }

    /// <summary>Puts what was made under a temporary name in its place.</summary>
    private void Place()
    {
        int error = TreeNative.Rename(Directory, _temporary!, _name);
        if (error == -TreeNative.EISDIR)
            throw NotReplaced();
        Check(error, "cannot be replaced");
        _temporary = null;
    }

    private TreeException NotReplaced() =>
        new(Display(_name), "is a directory; name the file to create, or remove the directory first", TreeNative.EISDIR);

    // Not every file system has times for everything, and what has none loses nothing else.
    private void SetTimeByName() => _ = TreeNative.SetTime(Directory, _temporary!, _attributes.Seconds, _attributes.Nanoseconds);

    private void Complain(int result, byte[] name, string what)
    {
        if (result < 0)
            Warn($"{Display(name)}: its {what} cannot be set: {TreeNative.ErrorText(-result)}");
    }

    private void Warn(string text)
    {
        if (_warnings.Count < MaxWarnings)
            _warnings.Add(text);
        else if (_warnings.Count == MaxWarnings)
            _warnings.Add("more of the same");
    }

    private void Check(int result, string text)
    {
        if (result < 0)
            throw new TreeException(Display(_name), $"{text}: {TreeNative.ErrorText(-result)}", -result);
    }

    private TreeException Malformed(string text) => new(_destination, $"the copied tree {text}");

    private string Display(ReadOnlySpan<byte> name)
    {
        if (name.EndsWith((byte)0))
            name = name[..^1];
        var path = new StringBuilder(_destination == "/" ? "" : _destination);
        foreach (Level level in _levels.Reverse())
        {
            if (level.Name.Length > 0)
                path.Append('/').Append(TreeFormat.Display(level.Name.AsSpan(0, level.Name.Length - 1)));
        }

        if (_levels.Count > 0 && !name.IsEmpty)
            path.Append('/').Append(TreeFormat.Display(name));
        return path.Length == 0 ? "/" : path.ToString();
    }

    private readonly record struct Attributes(uint Mode, long Seconds, uint Nanoseconds);

    /// <summary>A directory that is being filled.</summary>
    private sealed record Level(int Descriptor, byte[] Name, bool IsNew, Attributes Attributes);
}
