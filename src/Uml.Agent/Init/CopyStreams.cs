using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>A file tree on its way; <paramref name="tree"/> is closed with the stream.</summary>
internal abstract class TreeStream(uint number, int spool, IDisposable tree) : GuestStream(number, spool)
{
    public sealed override bool Pump(Line line, RequestLoop loop)
    {
        try
        {
            if (!Move(line))
                return true;
            SendExit(line, 0, 0);
        }
        catch (TreeException e)
        {
            SendFailure(line, e);
        }

        return false;
    }

    public sealed override void Close(List<int> abandoned)
    {
        tree.Dispose();
        base.Close(abandoned);
    }

    /// <summary>Moves one buffer, so that a long copy does not starve the other streams. True when the tree is whole.</summary>
    protected abstract bool Move(Line line);
}

/// <summary>A file tree that comes from the host.</summary>
internal sealed class CopyInStream(uint number, int spool, TreeUnpacker tree) : TreeStream(number, spool, tree)
{
    public override bool HasWork => HasInput;

    protected override bool Move(Line line)
    {
        ReadOnlySpan<byte> bytes = PeekInput();
        if (!bytes.IsEmpty)
        {
            tree.Write(bytes);
            TakeInput(line, bytes.Length);
        }

        if (!InputFinished)
            return false;
        tree.Complete();
        if (tree.Warnings.Count > 0)
            SendWarnings(line, tree.Warnings);
        return true;
    }
}

/// <summary>A file tree that goes to the host.</summary>
internal sealed class CopyOutStream(uint number, TreePacker tree) : TreeStream(number, spool: -1, tree)
{
    public override bool HasWork => OutputWindow > 0;

    protected override bool Move(Line line)
    {
        if (OutputWindow == 0)
            return false;
        int n = tree.Read(line.Payload[..(int)Math.Min(OutputWindow, (uint)line.Payload.Length)]);
        if (n == 0)
            return true;
        OutputWindow -= (uint)n;
        line.SendBuffered(FrameType.Stdout, Number, n);
        return false;
    }
}
