using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>
/// The commands that ran in a guest, with the beginning and the end of what each wrote. What is kept is bounded, however much the
/// guest runs and writes.
/// </summary>
internal sealed class GuestTranscript
{
    private const int Kept = 200;

    private readonly Lock _lock = new();
    private readonly Stopwatch _age = Stopwatch.StartNew();
    private readonly Queue<Entry> _entries = new();

    /// <summary>How many commands there have been.</summary>
    public int Count { get; private set; }

    /// <summary>What the command that was cancelled last was doing then; empty if there was none.</summary>
    public string StateAtCancellation { get; set; } = "";

    /// <summary>Notes that a command begins.</summary>
    public Entry Begin(ExecOptions options, string workingDirectory)
    {
        var entry = new Entry(options, workingDirectory, _age.Elapsed);
        lock (_lock)
        {
            Count++;
            _entries.Enqueue(entry);
            if (_entries.Count > Kept)
                _entries.Dequeue();
        }

        return entry;
    }

    /// <summary>The commands after the first <paramref name="skip"/>, as far as they are kept; empty if there were none.</summary>
    public string ToString(int skip)
    {
        var text = new StringBuilder();
        lock (_lock)
        {
            int dropped = Count - _entries.Count;
            if (dropped > skip)
                text.Append(CultureInfo.InvariantCulture, $"[{dropped - skip} commands before]\n\n");
            foreach (Entry entry in _entries.Skip(Math.Max(0, skip - dropped)))
            {
                entry.Write(text);
                text.Append('\n');
            }
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public override string ToString() => ToString(skip: 0);

    /// <summary>One command.</summary>
    internal sealed class Entry(ExecOptions options, string workingDirectory, TimeSpan begun)
    {
        private readonly Stopwatch _age = Stopwatch.StartNew();
        private volatile string? _end;

        public Excerpt Output { get; } = new();

        public Excerpt Error { get; } = new();

        /// <summary>Notes how the command ended; only the first time counts.</summary>
        public void End(string how) => _end ??= string.Create(CultureInfo.InvariantCulture, $"{how} after {_age.Elapsed.TotalMilliseconds:0} ms");

        public void Write(StringBuilder text)
        {
            text.Append(CultureInfo.InvariantCulture, $"[{begun.TotalSeconds,8:0.000}] $ ").AppendJoin(' ', options.Arguments.Select(Quote)).Append('\n');
            if (workingDirectory.Length > 0)
                text.Append("    in ").Append(workingDirectory).Append('\n');
            if (options.User is { } user)
                text.Append("    as ").Append(user).Append('\n');
            Output.Write(text, "  | ");
            Error.Write(text, "  ! ");
            text.Append("    ").Append(_end ?? "still runs").Append('\n');
        }

        // As a shell would take it, so that the line can be tried by hand.
        private static string Quote(string argument) =>
            argument.Length > 0 && argument.All(c => char.IsAsciiLetterOrDigit(c) || "-_./:=,+@%".Contains(c, StringComparison.Ordinal))
                ? argument
                : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    /// <summary>The beginning and the end of what a command wrote.</summary>
    internal sealed class Excerpt
    {
        private const int HeadSize = 4096, TailSize = 4096;

        private readonly Lock _lock = new();
        private readonly ArrayBufferWriter<byte> _head = new();
        private byte[]? _tail;
        private long _total;

        /// <summary>Adds what arrived.</summary>
        public void Add(ReadOnlySpan<byte> bytes)
        {
            lock (_lock)
            {
                int toHead = Math.Min(bytes.Length, HeadSize - _head.WrittenCount);
                _head.Write(bytes[..toHead]);
                _total += toHead;
                bytes = bytes[toHead..];
                if (bytes.IsEmpty)
                    return;
                _tail ??= new byte[TailSize];
                _total += bytes.Length;
                if (bytes.Length > TailSize)
                    bytes = bytes[^TailSize..];
                // A ring, in which byte n of what follows the head is at n modulo its size.
                int at = (int)((_total - HeadSize - bytes.Length) % TailSize);
                int first = Math.Min(bytes.Length, TailSize - at);
                bytes[..first].CopyTo(_tail.AsSpan(at));
                bytes[first..].CopyTo(_tail);
            }
        }

        /// <summary>Writes it, each line after <paramref name="prefix"/>.</summary>
        public void Write(StringBuilder text, string prefix)
        {
            lock (_lock)
            {
                Lines(text, prefix, _head.WrittenSpan);
                if (_tail is null)
                    return;
                long behind = _total - HeadSize;
                int kept = (int)Math.Min(behind, TailSize);
                if (behind > kept)
                    text.Append(CultureInfo.InvariantCulture, $"{prefix}[{behind - kept} bytes more]\n");
                int start = behind > TailSize ? (int)(behind % TailSize) : 0;
                byte[] tail = new byte[kept];
                for (int i = 0; i < kept; i++)
                    tail[i] = _tail[(start + i) % TailSize];
                Lines(text, prefix, tail);
            }
        }

        private static void Lines(StringBuilder text, string prefix, ReadOnlySpan<byte> bytes)
        {
            if (bytes.IsEmpty)
                return;
            foreach (string line in Encoding.UTF8.GetString(bytes).TrimEnd('\n').Split('\n'))
                text.Append(prefix).Append(line.TrimEnd('\r')).Append('\n');
        }
    }
}
