namespace Uml.CI;

/// <summary>
/// The root that an image's layers make, put on one another in memory: names here, contents in the spool. The rules are
/// those of the specification's "Image Layer Filesystem Changeset"; where it is silent, and in what is no layer anybody
/// makes in good faith, this refuses.
/// </summary>
internal sealed class MergedRoot(OciLimits limits)
{
    private const string Whiteout = ".wh.";
    private const string WhiteoutMeta = ".wh..wh.";
    private const string Opaque = ".wh..wh..opq";
    private const int MaxComponent = 255;
    private const int MaxDepth = 1024;
    private const int MaxLinks = 40;

    /// <summary>Bytes of names and extended attributes, which are kept in memory.</summary>
    private const long MaxMemory = 256 << 20;

    private static readonly LayerAttributes s_implied = new(0x1ED /* 0755 */, 0, 0, 0, 0);

    private int _entries;
    private long _bytes;
    private long _memory;

    public MergedNode Root { get; } = new(new MergedFile(LayerEntryKind.Directory, s_implied), 0) { IsImplied = true };

    /// <summary>Bytes of all files of all layers.</summary>
    public long Bytes => _bytes;

    /// <summary>Puts one layer on top of those before it.</summary>
    /// <param name="reader">The layer.</param>
    /// <param name="number">Its number, from 0.</param>
    /// <param name="spool">Where contents go.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="OciFaultException">The layer is malformed.</exception>
    public void Apply(LayerReader reader, int number, LayerSpool spool, CancellationToken cancellationToken)
    {
        while (reader.Next() is { } entry)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Count();
            _memory += entry.Name.Length + entry.Target.Length + entry.Attributes.Extended.Sum(a => (long)a.Key.Length + a.Value.Length);
            if (_memory > MaxMemory)
                throw new OciFaultException($"the image has more than {OciFaultException.Size(MaxMemory)} of names and extended attributes");
            // By its header, before a byte of it is read.
            if (entry.Size > limits.MaxBytes - _bytes)
                throw new OciFaultException($"the image unpacks to more than {OciFaultException.Size(limits.MaxBytes)} with {OciFaultException.Quote(entry.Name)} ({OciFaultException.Size(entry.Size)}) in it; set {OciLimits.Variable} to allow more");
            _bytes += entry.Size;
            Apply(entry, reader, number, spool, cancellationToken);
        }
    }

    /// <summary>Adds a directory and those it is in, where nothing is in the way.</summary>
    public void AddDirectory(string path)
    {
        string[] parts = [.. path.Split('/').Where(p => p is not ("" or "."))];
        if (parts.Any(p => p == ".." || p.StartsWith(Whiteout, StringComparison.Ordinal) || System.Text.Encoding.UTF8.GetByteCount(p) > MaxComponent) || parts.Length > MaxDepth)
            return;
        MergedNode node = Root;
        foreach (string part in parts)
        {
            if (!node.Children!.TryGetValue(part, out MergedNode? child))
                node.Children.Add(part, child = new MergedNode(new MergedFile(LayerEntryKind.Directory, s_implied), node.Layer) { IsImplied = true });
            if (child.Children is null)
                return;
            node = child;
        }
    }

    private void Apply(LayerEntry entry, LayerReader reader, int layer, LayerSpool spool, CancellationToken cancellationToken)
    {
        // umoci calls the root's own entry "/".
        string[] path = entry is { Name: "/", Kind: LayerEntryKind.Directory } ? [] : Split(entry.Name, entry, "its name");
        if (path.Length == 0)
        {
            if (entry.Kind != LayerEntryKind.Directory)
                throw Refused(entry, "is the root, and no directory");
            Root.File.Attributes = entry.Attributes;
            Root.Layer = layer;
            return;
        }

        string name = path[^1];
        if (path[..^1].Any(c => c.StartsWith(Whiteout, StringComparison.Ordinal)))
        {
            // What AUFS kept for itself came into images of its time.
            if (path[..^1].Any(c => c.StartsWith(WhiteoutMeta, StringComparison.Ordinal)))
                return;
            throw Refused(entry, "is below a whiteout, which is no directory");
        }

        if (name.StartsWith(Whiteout, StringComparison.Ordinal))
        {
            Remove(entry, path, layer);
            return;
        }

        Dictionary<string, MergedNode> directory = Directory(path[..^1], entry, layer, create: true)!.Children!;
        MergedNode? existing = directory.GetValueOrDefault(name);
        if (entry.Kind == LayerEntryKind.Directory && existing?.Children is not null)
        {
            existing.File.Attributes = entry.Attributes;
            existing.Layer = layer;
            existing.IsImplied = false;
            return;
        }

        if (existing?.IsOf(layer) == true)
            throw Refused(entry, "is in the layer twice");
        MergedFile file = entry.Kind == LayerEntryKind.HardLink
            ? Linked(entry, layer)
            : new MergedFile(entry.Kind, entry.Attributes)
            {
                Target = entry.Target,
                DeviceMajor = entry.DeviceMajor,
                DeviceMinor = entry.DeviceMinor,
                Offset = entry.Kind == LayerEntryKind.File ? spool.Add(reader, entry, cancellationToken) : 0,
                Size = entry.Size,
            };
        directory[name] = new MergedNode(file, layer);
    }

    private void Count()
    {
        if (++_entries > limits.MaxEntries)
            throw new OciFaultException($"the image has more than {limits.MaxEntries} files");
    }

    private MergedFile Linked(LayerEntry entry, int layer)
    {
        string[] path = Split(entry.Target, entry, "its target");
        MergedNode? target = path.Length == 0 ? Root : Directory(path[..^1], entry, layer, create: false)?.Children!.GetValueOrDefault(path[^1]);
        if (target is null)
            throw Refused(entry, $"is a hard link to {OciFaultException.Quote(entry.Target)}, which does not exist");
        return target.Children is null ? target.File : throw Refused(entry, $"is a hard link to the directory {OciFaultException.Quote(entry.Target)}");
    }

    private void Remove(LayerEntry entry, string[] path, int layer)
    {
        string name = path[^1];
        if (name == Opaque)
        {
            if (Directory(path[..^1], entry, layer, create: false) is { } whole)
                RemoveBelow(whole, layer);
            return;
        }

        if (name.StartsWith(WhiteoutMeta, StringComparison.Ordinal))
            return;
        string hidden = name[Whiteout.Length..];
        if (hidden is "" or "." or "..")
            throw Refused(entry, "is a whiteout of nothing in its directory");
        if (Directory(path[..^1], entry, layer, create: false) is not { } directory || directory.Children!.GetValueOrDefault(hidden) is not { } node)
            return;
        if (!node.IsOf(layer))
            directory.Children!.Remove(hidden);
        else if (node.Children is not null)
            RemoveBelow(node, layer);
    }

    /// <summary>Removes what lower layers have in a directory: a whiteout does not touch its own layer, which may come in any order.</summary>
    private static void RemoveBelow(MergedNode directory, int layer)
    {
        foreach ((string name, MergedNode child) in directory.Children!)
        {
            if (!child.IsOf(layer))
            {
                directory.Children.Remove(name);
            }
            else if (child.Children is not null && child.Layer != layer)
            {
                // A directory of a lower layer with something of this one in it: it is a new one now, of which nothing is said.
                child.File.Attributes = s_implied;
                child.IsImplied = true;
                RemoveBelow(child, layer);
            }
            else if (child.Children is not null)
            {
                RemoveBelow(child, layer);
            }
        }
    }

    /// <summary>
    /// The directory an entry is in. A symbolic link of a lower layer on the way is followed, within the root: so layers
    /// with <c>bin/tool</c> fit on roots whose <c>/bin</c> leads to <c>usr/bin</c>. One of the same layer is not: that is
    /// how a layer would write where its names do not say.
    /// </summary>
    private MergedNode? Directory(IEnumerable<string> path, LayerEntry entry, int layer, bool create)
    {
        Stack<string> left = new(path.Reverse());
        List<MergedNode> way = [Root];
        int links = 0;
        while (left.TryPop(out string? name))
        {
            if (name == "..")
            {
                if (way.Count == 1)
                    throw Refused(entry, "leads out of the root through a symbolic link");
                way.RemoveAt(way.Count - 1);
                continue;
            }

            MergedNode parent = way[^1];
            if (!parent.Children!.TryGetValue(name, out MergedNode? child))
            {
                if (!create)
                    return null;
                Count();
                child = new MergedNode(new MergedFile(LayerEntryKind.Directory, s_implied), layer) { IsImplied = true };
                parent.Children.Add(name, child);
            }

            if (child.File.Kind == LayerEntryKind.SymbolicLink)
            {
                if (child.Layer == layer)
                    throw Refused(entry, $"goes through the symbolic link {OciFaultException.Quote(name)} of the same layer");
                if (++links > MaxLinks)
                    throw Refused(entry, $"goes through symbolic links without an end");
                if (child.File.Target.StartsWith('/'))
                    way.RemoveRange(1, way.Count - 1);
                foreach (string part in child.File.Target.Split('/').Where(p => p is not ("" or ".")).Reverse())
                    left.Push(part);
                continue;
            }

            if (child.Children is null)
                throw Refused(entry, $"is in {OciFaultException.Quote(name)}, which is no directory");
            way.Add(child);
            if (way.Count > 2 * MaxDepth)
                throw Refused(entry, $"is more than {2 * MaxDepth} directories deep");
        }

        return way[^1];
    }

    private static string[] Split(string name, LayerEntry entry, string what)
    {
        if (name.StartsWith('/'))
            throw Refused(entry, $"leads out of the root: {what} is absolute{(what == "its name" ? "" : ", " + OciFaultException.Quote(name))}");
        string[] parts = [.. name.Split('/').Where(p => p is not ("" or "."))];
        if (parts.Contains(".."))
            throw Refused(entry, $"leads out of the root: {what} has .. in it{(what == "its name" ? "" : ", " + OciFaultException.Quote(name))}");
        if (name.Length == 0)
            throw Refused(entry, "has no name");
        if (parts.Length > MaxDepth || parts.Any(p => System.Text.Encoding.UTF8.GetByteCount(p) > MaxComponent))
            throw Refused(entry, $"has a name that no file system takes: parts of more than {MaxComponent} bytes, or more than {MaxDepth} of them");
        return parts;
    }

    private static OciFaultException Refused(LayerEntry entry, string what)
    {
        bool isWhiteout = entry.Name[(entry.Name.LastIndexOf('/') + 1)..].StartsWith(Whiteout, StringComparison.Ordinal);
        string kind = isWhiteout ? "whiteout" : entry.Kind switch
        {
            LayerEntryKind.HardLink => "hard link",
            LayerEntryKind.SymbolicLink => "symbolic link",
            LayerEntryKind.Directory => "directory",
            LayerEntryKind.File => "file",
            LayerEntryKind.Pipe => "pipe",
            _ => "device",
        };
        return new OciFaultException($"its {kind} {OciFaultException.Quote(entry.Name)} {what}");
    }
}
