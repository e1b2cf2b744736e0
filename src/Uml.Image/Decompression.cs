using System.Diagnostics;
using System.IO.Compression;

namespace Uml.CI;

/// <summary>Archives as they come, plain or compressed, recognised by their first bytes.</summary>
internal static class Decompression
{
    /// <summary>The plain bytes of a stream.</summary>
    /// <exception cref="KernelException">A program that is needed is not installed.</exception>
    public static async Task<Stream> OpenAsync(HostTools host, Stream input, string name, CancellationToken cancellationToken)
    {
        byte[] head = new byte[6];
        int length = await input.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken);
        Stream whole = new PrefixedStream(head.AsMemory(0, length), input);
        ReadOnlySpan<byte> start = head.AsSpan(0, length);
        if (start.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]))
            return new GZipStream(whole, CompressionMode.Decompress);
        (string Program, string Package)? tool =
            start.StartsWith((ReadOnlySpan<byte>)[0xfd, .. "7zXZ"u8, 0]) ? ("xz", "xz-utils")
            : start.StartsWith((ReadOnlySpan<byte>)[0x28, 0xb5, 0x2f, 0xfd]) ? ("zstd", "zstd")
            : start.StartsWith("BZh"u8) ? ("bzip2", "bzip2")
            : null;
        if (tool is not { } found)
            return whole;
        string program = HostPrograms.Find(host, found.Program)
            ?? throw new KernelException($"{name} cannot be unpacked: the program {found.Program} is not installed; install the package '{found.Package}'.") { Problem = KernelProblem.Unavailable };
        return new FilterStream(program, ["-dc"], whole, name);
    }

    /// <summary>Some bytes that were read already, and the rest.</summary>
    private sealed class PrefixedStream(ReadOnlyMemory<byte> prefix, Stream rest) : ReadOnlyStream
    {
        private ReadOnlyMemory<byte> _prefix = prefix;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_prefix.IsEmpty)
                return await rest.ReadAsync(buffer, cancellationToken);
            int n = Math.Min(buffer.Length, _prefix.Length);
            _prefix[..n].CopyTo(buffer);
            _prefix = _prefix[n..];
            return n;
        }
    }

    /// <summary>What a program makes of a stream.</summary>
    private sealed class FilterStream : ReadOnlyStream
    {
        private readonly Process _process;
        private readonly Task _feeding;
        private readonly string _name;

        public FilterStream(string program, string[] arguments, Stream input, string name)
        {
            _name = name;
            ProcessStartInfo start = new(program) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
            foreach (string argument in arguments)
                start.ArgumentList.Add(argument);
            _process = Process.Start(start)!;
            _process.ErrorDataReceived += (_, _) => { };
            _process.BeginErrorReadLine();
            _feeding = FeedAsync(input);
            _ = _feeding.ContinueWith(t => t.Exception, TaskScheduler.Default);
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int n = await _process.StandardOutput.BaseStream.ReadAsync(buffer, cancellationToken);
            if (n > 0 || buffer.IsEmpty)
                return n;
            await _process.WaitForExitAsync(cancellationToken);
            return _process.ExitCode == 0
                ? 0
                : throw new KernelException($"{_name} cannot be unpacked: {_process.StartInfo.FileName} ended with status {_process.ExitCode}, as of a damaged file; get it anew.");
        }

        public override async ValueTask DisposeAsync()
        {
            if (!_process.HasExited)
                _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
            await base.DisposeAsync();
        }

        private async Task FeedAsync(Stream input)
        {
            await using Stream output = _process.StandardInput.BaseStream;
            await input.CopyToAsync(output);
        }
    }

    private abstract class ReadOnlyStream : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public abstract override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
