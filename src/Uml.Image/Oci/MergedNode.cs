namespace Uml.CI;

/// <summary>A name in a merged root.</summary>
internal sealed class MergedNode(MergedFile file, int layer)
{
    public MergedFile File { get; } = file;

    /// <summary>The last layer that said something of it, from 0.</summary>
    public int Layer { get; set; } = layer;

    /// <summary>Nothing described it: it is there because something in it is.</summary>
    public bool IsImplied { get; set; }

    /// <summary>What is in a directory; null for others.</summary>
    public Dictionary<string, MergedNode>? Children { get; } = file.Kind == LayerEntryKind.Directory ? new(StringComparer.Ordinal) : null;

    /// <summary>It, or something in it, is of this layer.</summary>
    public bool IsOf(int layer) => Layer == layer || Children?.Values.Any(c => c.IsOf(layer)) == true;
}
