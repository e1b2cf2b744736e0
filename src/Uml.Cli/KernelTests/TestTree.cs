using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;

namespace Uml.CI.Cli;

/// <summary>Shows tests as they end, a line each below their suites; on a terminal also a line that tells what runs now.</summary>
internal sealed class TestTree : IKtapObserver, IDisposable
{
    private const int MostLogLines = 60;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly bool _failedOnly;
    private readonly bool _isLive;
    private readonly bool _isComplete;
    private readonly Timer? _timer;
    private readonly long _begun = Stopwatch.GetTimestamp();
    private readonly HashSet<string> _headed = new(StringComparer.Ordinal);
    private readonly HashSet<string> _suites = new(StringComparer.Ordinal);
    private string _current = "";
    private int _ended;
    private int _bad;
    private bool _open;

    /// <param name="failedOnly">Whether only tests that failed are shown.</param>
    /// <param name="isLive">Whether tests run now; else a log is shown.</param>
    public TestTree(bool failedOnly, bool isLive = true)
    {
        _failedOnly = failedOnly;
        _isComplete = !isLive;
        _isLive = isLive && Descriptor.Output.IsTerminal && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb");
        if (_isLive)
            _timer = new Timer(_ => Draw(), null, Interval, Interval);
    }

    /// <inheritdoc/>
    public void Started(ImmutableArray<string> path, string name, int? plan)
    {
        lock (_lock)
        {
            if (name.Length == 0)
                return;
            _current = Key(path, name);
            _suites.Add(_current);
            if (_failedOnly || !_headed.Add(_current))
                return;
            Print($"{Indent(path.Length)}{TestStyle.Safe(name)}{(plan is { } count && path.Length == 0 && _isComplete ? $" ({count} {(count == 1 ? "test" : "tests")})" : "")}\n");
        }
    }

    /// <inheritdoc/>
    public void Finished(ImmutableArray<string> path, KtapTest test)
    {
        lock (_lock)
        {
            // Another kernel may yet run it.
            if (test.Outcome == KtapOutcome.NotRun && !_isComplete)
                return;
            bool isLeaf = test.Subtests.IsEmpty;
            if (!isLeaf && _current == Key(path, test.Name))
                _current = string.Join('\n', path);
            if (isLeaf)
            {
                _ended++;
                if (test.Outcome.IsFailure())
                    _bad++;
            }

            if (_failedOnly && !test.Outcome.IsFailure())
                return;

            // A suite whose tests were shown and say it all needs no line of its own.
            bool shown = !isLeaf && (_failedOnly ? _suites : _headed).Contains(Key(path, test.Name));
            if (shown && (!test.Outcome.IsFailure() || test.Subtests.Any(t => t.Outcome.IsFailure())))
                return;
            Show(path, test);
        }
    }

    /// <inheritdoc/>
    public void Complained(KtapComplaint complaint)
    {
    }

    /// <summary>Shows a whole tree.</summary>
    public void Show(KtapTest root)
    {
        Walk([], root);

        void Walk(ImmutableArray<string> path, KtapTest parent)
        {
            foreach (KtapTest test in parent.Subtests)
            {
                if (test.IsSuite)
                    Started(path, test.Name, test.Plan);
                Walk(path.Add(test.Name), test);
                Finished(path, test);
            }
        }
    }

    /// <summary>Writes a line below what is there.</summary>
    public void Say(string line)
    {
        lock (_lock)
            Print(line + "\n");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer?.Dispose();
        lock (_lock)
            Clear();
    }

    private static string Key(ImmutableArray<string> path, string name) => string.Join('\n', path.Append(name));

    private static string Indent(int depth) => new(' ', 2 * depth);

    private void Show(ImmutableArray<string> path, KtapTest test)
    {
        var text = new StringBuilder();
        string name = _failedOnly ? string.Join('.', path.Append(test.DisplayName)) : test.DisplayName;
        string indent = _failedOnly ? "" : Indent(path.Length);
        text.Append(indent).Append(TestStyle.Coloured(test.Outcome)).Append(' ').Append(TestStyle.Safe(name));
        if (test.Reason.Length > 0 && test.Reason != test.DisplayName)
            text.Append(": ").Append(TestStyle.Safe(test.Reason));
        text.Append('\n');
        if (test.Outcome.IsFailure())
        {
            foreach (KtapLogLine line in test.Log.Take(MostLogLines))
                text.Append(indent).Append("    ").Append(TestStyle.Safe(line.Text)).Append('\n');
            if (test.Log.Length > MostLogLines)
                text.Append(indent).Append($"    ... {test.Log.Length - MostLogLines} more lines\n");
        }

        Print(text.ToString());
    }

    private void Print(string text)
    {
        Clear();
        Descriptor.Output.Write(text);
    }

    private void Draw()
    {
        lock (_lock)
        {
            int width = (Native.SizeOf(1)?.Columns ?? 80) - 1;
            string line = $"{_ended} tests{(_bad > 0 ? $", {_bad} failed" : "")}, {Stopwatch.GetElapsedTime(_begun).TotalSeconds:0} s{(_current.Length > 0 ? $"; {_current.Replace('\n', '.')}" : "")}";
            Descriptor.Output.Write($"\r\e[K{TestStyle.Safe(line.Length > width ? line[..width] : line)}");
            _open = true;
        }
    }

    private void Clear()
    {
        if (_open)
            Descriptor.Output.Write("\r\e[K");
        _open = false;
    }
}
