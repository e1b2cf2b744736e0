using System.Diagnostics;

namespace Uml.CI;

/// <summary>Unpacks with the program zstd: .NET 10 has no reader of its own for it (11 has).</summary>
internal sealed class ZstdStream : Stream
{
    private readonly Process _process;
    private readonly Task _feeding;
    private readonly Task<string> _errors;
    private Exception? _feedFailure;
    private bool _isAtEnd;

    /// <param name="packed">Left open.</param>
    /// <param name="host">Where the program is looked for.</param>
    public ZstdStream(Stream packed, HostTools host)
    {
        string program = ExternalProgram.Find("zstd", host.Variable("PATH"))
            ?? throw new OciFaultException("it is packed with zstd, and the program zstd is not installed; install the package 'zstd'", KernelProblem.Unavailable);
        // It ends with its input, so with this process too. The memory it may take is bounded, whatever the layer asks for.
        ProcessStartInfo start = new(program, ["-d", "-c", "-q", "--no-progress", "--memory=128MB", "-"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        _process = Process.Start(start)!;
        _feeding = Task.Run(() => Feed(packed));
        _errors = _process.StandardError.ReadToEndAsync();
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (_isAtEnd)
            return 0;
        int got = _process.StandardOutput.BaseStream.Read(buffer);
        if (got > 0 || buffer.Length == 0)
            return got;
        _isAtEnd = true;
        _feeding.GetAwaiter().GetResult();
        _process.WaitForExit();
        if (_feedFailure is not null and not IOException)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_feedFailure);
        if (_process.ExitCode != 0)
        {
            string words = OciFaultException.Quote(_errors.GetAwaiter().GetResult().Trim());
            throw new InvalidDataException($"zstd ended with status {_process.ExitCode}: {words}");
        }

        return 0;
    }

    public override void Flush()
    {
        // Nothing is written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            if (!_process.HasExited)
                _process.Kill();
            _feeding.GetAwaiter().GetResult();
            _process.WaitForExit();
            _process.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Feed(Stream packed)
    {
        try
        {
            using Stream input = _process.StandardInput.BaseStream;
            packed.CopyTo(input);
        }
        catch (Exception e)
        {
            // Told by whoever reads; a broken pipe is zstd's to explain.
            _feedFailure = e;
        }
    }
}
