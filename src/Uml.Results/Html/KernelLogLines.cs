using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>How a line of a kernel's log is shown.</summary>
internal enum KernelLogTone
{
    Plain,
    Error,
    Warning,

    /// <summary>Belongs to what was said before: registers, a call trace.</summary>
    Trace,
    Good,
    Dim,
}

/// <summary>Tells how lines of a kernel's log are to be shown: by their level where they have one, else by what they say.</summary>
internal sealed partial class KernelLogLines
{
    private const int LongestTrace = 120;
    private int _trace;

    /// <summary>The tone of the next line, its prefix (time stamp and caller) and its text.</summary>
    public (KernelLogTone Tone, string Prefix, string Text) Next(string line)
    {
        int start = KernelLogPrefix.Measure(line, out _, out int level);
        int stamp = level >= 0 && line[0] == '<' ? line.IndexOf('>') + 1 : 0;
        string text = line[start..];
        return (ToneOf(text, level < 0 ? null : level), line[stamp..start], text);
    }

    private KernelLogTone ToneOf(string text, int? level)
    {
        if (text.Contains("---[ end ", StringComparison.Ordinal))
        {
            _trace = 0;
            return KernelLogTone.Trace;
        }

        if (Bad().IsMatch(text))
        {
            _trace = LongestTrace;
            return KernelLogTone.Error;
        }

        if (Dubious().IsMatch(text))
        {
            _trace = LongestTrace;
            return KernelLogTone.Warning;
        }

        if (text.StartsWith("ok ", StringComparison.Ordinal) || text.TrimStart().StartsWith("ok ", StringComparison.Ordinal))
            return KernelLogTone.Good;
        if (_trace > 0 && OfTrace().IsMatch(text))
        {
            _trace--;
            return KernelLogTone.Trace;
        }

        _trace = 0;
        return level switch
        {
            <= 3 => KernelLogTone.Error,
            4 => KernelLogTone.Warning,
            7 => KernelLogTone.Dim,
            _ => KernelLogTone.Plain,
        };
    }

    [GeneratedRegex(@"\bBUG\b|\bOops\b|Kernel panic|general protection fault|\bKASAN\b|\bKFENCE\b|\bKCSAN\b|soft lockup|hard LOCKUP|Segfault with no mm|^\s*not ok |^\s*# .*(EXPECTATION|ASSERTION) FAILED", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Bad();

    [GeneratedRegex(@"\bWARNING\b|\bUBSAN\b|self-detected stall|detected stalls|blocked for more than|possible (circular|recursive) locking|suspicious RCU usage|sleeping function called from invalid context", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Dubious();

    [GeneratedRegex(@"^\s|^(CPU|Comm|Hardware name|Call Trace|Stack|Modules linked in|RIP|RSP|RAX|RDX|RBP|R\d\d|FS|CS|CR2|Code|EIP|Workqueue|Tainted|Pid)\b|^\[?<?[0-9a-f]{8,16}\b|^=+$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex OfTrace();
}
