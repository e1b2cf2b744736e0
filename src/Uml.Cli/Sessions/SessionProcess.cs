using System.Net.Sockets;

namespace Uml.CI.Cli;

/// <summary>A command in a guest that another process keeps.</summary>
internal sealed class SessionProcess : ICommandProcess, IDisposable
{
    private readonly Lock _sending = new();
    private readonly NetworkStream _control;
    private readonly NetworkStream?[] _streams = new NetworkStream?[3];

    private SessionProcess(NetworkStream control) => _control = control;

    public Stream StandardInput => _streams[0] is { } stream ? new HalfClosing(stream) : Stream.Null;

    public Stream StandardOutput => _streams[1]!;

    public Stream StandardError => _streams[2]!;

    /// <summary>Starts the command; it runs, or has ended, when <see cref="WaitAsync"/> says so.</summary>
    /// <exception cref="SocketException">Nobody keeps the guest.</exception>
    /// <exception cref="IOException">The process that kept it ended.</exception>
    public static async Task<SessionProcess> StartAsync(SessionDirectory directory, SessionRequest request, CancellationToken cancellationToken)
    {
        var process = new SessionProcess(new NetworkStream(directory.Connect(), ownsSocket: true));
        try
        {
            SessionMessages.Write(process._control, request, SessionJson.Default.SessionRequest);
            SessionReply reply = await process.ReadAsync(cancellationToken);
            for (int i = request.Input ? 0 : 1; i < process._streams.Length; i++)
            {
                process._streams[i] = new NetworkStream(directory.Connect(), ownsSocket: true);
                SessionMessages.Write(process._streams[i]!, new SessionRequest { Verb = SessionRequest.Stream, Id = reply.Id, Descriptor = i }, SessionJson.Default.SessionRequest);
            }

            return process;
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    /// <summary>Waits for the command's end.</summary>
    /// <exception cref="IOException">The process that kept the guest ended.</exception>
    public async Task<Outcome> WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await ReadAsync(cancellationToken) is { Kind: SessionReply.Ended, Outcome: { } outcome })
                return outcome;
        }
    }

    public void Signal(int signal) => Send(new SessionRequest { Verb = SessionRequest.Signal, Number = signal });

    public void Resize(TerminalSize size) => Send(new SessionRequest { Verb = SessionRequest.Resize, Columns = size.Columns, Rows = size.Rows });

    public void Dispose()
    {
        _control.Dispose();
        foreach (NetworkStream? stream in _streams)
            stream?.Dispose();
    }

    private async Task<SessionReply> ReadAsync(CancellationToken cancellationToken) =>
        await SessionMessages.ReadAsync(_control, SessionJson.Default.SessionReply, cancellationToken) ?? throw new IOException("the process that kept the guest ended");

    private void Send(SessionRequest request)
    {
        try
        {
            lock (_sending)
                SessionMessages.Write(_control, request, SessionJson.Default.SessionRequest);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Whoever waits for the command is told.
        }
    }

    // The end of the input is not the end of the connection: the other side has still to take what is under way.
    private sealed class HalfClosing(NetworkStream stream) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count)
        {
            try
            {
                stream.Write(buffer, offset, count);
            }
            catch (IOException e)
            {
                // The command has ended, or does not read any more: as with a pipe's other end, that is no failure of ours.
                throw new ObjectDisposedException("the command's standard input", e);
            }
        }

        protected override void Dispose(bool disposing)
        {
            try
            {
                if (disposing)
                    stream.Socket.Shutdown(SocketShutdown.Send);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }

            base.Dispose(disposing);
        }
    }
}
