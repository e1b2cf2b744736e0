using System.Diagnostics;

namespace Uml.CI.Cli;

/// <summary>Shows the progress of a download or a build: a line that rewrites itself on a terminal, now and then a plain line in a log.</summary>
internal sealed class ProgressLine(TimeSpan delay) : IProgress<KernelProgress>, IDisposable
{
    private static readonly TimeSpan TerminalInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Stopwatch _age = Stopwatch.StartNew();
    private readonly bool _terminal = Descriptor.Error.IsTerminal && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb");
    private string _stage = "";
    private TimeSpan _shown = TimeSpan.MinValue;
    private bool _open;

    /// <inheritdoc/>
    public void Report(KernelProgress value)
    {
        lock (_lock)
        {
            if (value.IsWarning)
            {
                Clear();
                Message.Warning(value.Stage);
                return;
            }

            TimeSpan now = _age.Elapsed;
            if (now < delay)
                return;
            bool isNew = value.Stage != _stage;
            if (!isNew && now - _shown < (_terminal ? TerminalInterval : LogInterval))
                return;
            _stage = value.Stage;
            _shown = now;
            string text = value.Stage + Amount(value);
            if (_terminal)
            {
                int width = (Native.SizeOf(2)?.Columns ?? 80) - 1;
                string line = "uml: " + text;
                Descriptor.Error.Write($"\r\e[K{(line.Length > width ? line[..width] : line)}");
                _open = true;
            }
            else
            {
                Message.Note(text);
            }
        }
    }

    /// <summary>Leaves the terminal as it was.</summary>
    public void Dispose()
    {
        lock (_lock)
            Clear();
    }

    private static string Amount(KernelProgress value) => value switch
    {
        { FilesDone: { } done, FilesTotal: > 0 and { } total, TimeLeft: { } left } => $": {done} of about {total} files, {Remaining(left)} left",
        { FilesDone: { } done, FilesTotal: > 0 and { } total } => $": {done} of about {total} files",
        { FilesDone: { } done } => $": {done} files",
        { BytesDone: { } done, BytesTotal: > 0 and { } total } => $": {done * 100 / total,3}% of {Size.Format(total)}",
        { BytesDone: { } done } => $": {Size.Format(done)}",
        _ => "",
    };

    // In steps that do not flicker, and that promise no more than is known.
    private static string Remaining(TimeSpan left) => left.TotalSeconds switch
    {
        < 10 => "some seconds",
        < 90 => $"{Math.Ceiling(left.TotalSeconds / 10) * 10:0} s",
        _ => $"{Math.Ceiling(left.TotalMinutes):0} min",
    };

    private void Clear()
    {
        if (_open)
            Descriptor.Error.Write("\r\e[K");
        _open = false;
    }
}

/// <summary>Sizes for people.</summary>
internal static class Size
{
    /// <summary>Writes a size with three digits or so: <c>35.8 MB</c>.</summary>
    public static string Format(long bytes) => bytes switch
    {
        < 1_000 => $"{bytes} B",
        < 1_000_000 => $"{bytes / 1e3:0.#} kB",
        < 1_000_000_000 => $"{bytes / 1e6:0.#} MB",
        _ => $"{bytes / 1e9:0.##} GB",
    };
}
