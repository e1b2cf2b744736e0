using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>A file tree that comes from the host.</summary>
internal sealed class CopyInStream(uint number, int spool, string path) : GuestStream(number, spool)
{
    private readonly TreeUnpacker _tree = new(path, keepSpecialBits: true);

    public override bool HasWork => HasInput;

    public override bool Pump(Line line, RequestLoop loop)
    {
        try
        {
            // One buffer at a time, so that a long copy does not starve the other streams.
            ReadOnlySpan<byte> bytes = PeekInput();
            if (!bytes.IsEmpty)
            {
                _tree.Write(bytes);
                TakeInput(line, bytes.Length);
            }

            if (!InputFinished)
                return true;
            _tree.Complete();
            if (_tree.Warnings.Count > 0)
                SendWarnings(line, _tree.Warnings);
            SendExit(line, 0, 0);
        }
        catch (TreeException e)
        {
            SendFailure(line, e);
        }

        return false;
    }

    public override void Close(List<int> abandoned)
    {
        _tree.Dispose();
        base.Close(abandoned);
    }
}

/// <summary>A file tree that goes to the host.</summary>
internal sealed class CopyOutStream(uint number, string path) : GuestStream(number, spool: -1)
{
    private readonly TreePacker _tree = new(path);

    public override bool HasWork => OutputWindow > 0;

    public override bool Pump(Line line, RequestLoop loop)
    {
        if (OutputWindow == 0)
            return true;
        try
        {
            int n = _tree.Read(line.Payload[..(int)Math.Min(OutputWindow, (uint)line.Payload.Length)]);
            if (n > 0)
            {
                OutputWindow -= (uint)n;
                line.SendBuffered(FrameType.Stdout, Number, n);
                return true;
            }

            SendExit(line, 0, 0);
        }
        catch (TreeException e)
        {
            SendFailure(line, e);
        }

        return false;
    }

    public override void Close(List<int> abandoned)
    {
        _tree.Dispose();
        base.Close(abandoned);
    }
}
