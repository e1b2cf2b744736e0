using System.Buffers;
using System.Globalization;

namespace Uml.CI;

// What diagnostics say about suites and tests.
public sealed partial class KtapParser
{
    private static readonly SearchValues<char> Identifier = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    // Between the header and the plan: "# module: example". Before the header, KTAP 2's only, which can be nothing else.
    private void TakeSuiteAttributes(KtapSuite suite, bool onlyMetadata = false)
    {
        int kept = 0;
        for (int at = 0; at < _pending.Count; at++)
        {
            KtapLogLine line = _pending[at];
            if (line.IsDiagnostic && (!onlyMetadata || line.Text.StartsWith(':')) && SplitAttribute(line.Text, out string key, out string value))
            {
                suite.Attributes[key] = value;
                if (!onlyMetadata && key == "test" && line.Text[0] == ':' && suite.Name.Length == 0 && suite.Parent is not null)
                    suite.Name = value;
            }
            else
            {
                _pending[kept++] = line;
            }
        }

        Work += _pending.Count;
        _pending.RemoveRange(kept, _pending.Count - kept);
    }

    // "key: value", or KTAP 2's ":ktap_key: value".
    private static bool SplitAttribute(string text, out string key, out string value)
    {
        key = value = "";
        int start = text.StartsWith(':') ? 1 : 0;
        int colon = text.IndexOf(": ", start, StringComparison.Ordinal);
        if (colon <= start || colon > 64)
            return false;
        ReadOnlySpan<char> name = text.AsSpan(start..colon);
        if (name.ContainsAnyExcept(Identifier) || (start == 0 && name is not ("module" or "speed" or "is_init")))
            return false;
        key = (start == 1 && name.StartsWith("ktap_", StringComparison.Ordinal) ? name[5..] : name).ToString();
        value = text[(colon + 2)..].Trim();
        return true;
    }

    // What the diagnostics before a result say of the test: "# name.speed: slow", "# name: pass:1 fail:0 skip:0 total:1".
    private KtapTotals? TakeMetadata(string name, ref TimeSpan? duration)
    {
        KtapTotals? totals = null;
        int kept = 0;
        for (int at = 0; at < _pending.Count; at++)
        {
            KtapLogLine line = _pending[at];
            if (line.IsDiagnostic)
            {
                string text = line.Text;
                if (text.StartsWith(':') && SplitAttribute(text, out string key, out string value))
                {
                    _attributes[key] = value;
                    continue;
                }

                if (text.Length > name.Length + 3 && text.StartsWith(name, StringComparison.Ordinal))
                {
                    if (text[name.Length] == '.' && TakeOwnAttribute(text, name.Length + 1, ref duration))
                        continue;
                    if (text[name.Length] == ':')
                    {
                        totals = KtapTotals.Parse(text, _line) ?? totals;
                        duration ??= Runtime(text);
                    }
                }
            }

            _pending[kept++] = line;
        }

        Work += _pending.Count;
        _pending.RemoveRange(kept, _pending.Count - kept);
        return totals is { IsKselftest: false } ? totals : null;
    }

    private bool TakeOwnAttribute(string text, int start, ref TimeSpan? duration)
    {
        int colon = text.IndexOf(": ", start, StringComparison.Ordinal);
        if (colon <= start || text.AsSpan(start..colon).ContainsAnyExcept(Identifier))
            return false;
        string key = text[start..colon];
        string value = text[(colon + 2)..].Trim();
        if (key == "duration" && value.EndsWith('s') && Seconds(value.AsSpan(..^1)) is { } time)
            duration = time;
        else
            _attributes[key] = value;
        return true;
    }

    // lib/kunit/test.c: "Test should be marked slow (runtime: 1.000000000s)".
    private static TimeSpan? Runtime(string text)
    {
        int at = text.IndexOf("(runtime: ", StringComparison.Ordinal);
        int end = at < 0 ? -1 : text.IndexOf("s)", at, StringComparison.Ordinal);
        return end < 0 ? null : Seconds(text.AsSpan((at + 10)..end));
    }

    private static TimeSpan? Seconds(ReadOnlySpan<char> text) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal seconds) && seconds < 1_000_000_000
            ? TimeSpan.FromTicks((long)(seconds * TimeSpan.TicksPerSecond))
            : null;
}
