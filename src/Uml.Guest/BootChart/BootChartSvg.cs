using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>Draws boots as an SVG image: a row per phase, time to the right, initcalls within their level. Pure: the same boots, the same bytes.</summary>
internal static class BootChartSvg
{
    /// <summary>How many initcalls get a row of their own.</summary>
    public const int Listed = 20;

    private const int Width = 1200, Left = 296, Right = 1128, Row = 22, Bar = 14, Margin = 24;
    private const int LineHeight = 17;
    private const int FactWidth = 172;

    // Of the text in bars, in pixels; generous, since fonts differ.
    private const double LetterWidth = 6.6;

    private const string Style = """
        .b{fill:#fff}.t{fill:#1f2328;font:13px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
        .h{font-size:20px;font-weight:600}.m{fill:#59636e;font-size:12px}.n{font-variant-numeric:tabular-nums}
        .d{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
        .c{fill:#59636e;font:11px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}.k{font-weight:600}
        .g{stroke:#d8dee4;stroke-width:1}.s{fill:#f6f8fa}.i{fill:#fff;font-size:11px}
        .host{fill:#3b6fc4}.supervisor{fill:#7d56b8}.kernel{fill:#2f8f55}.agent{fill:#0e8088}.command{fill:#c2405a}.teardown{fill:#7b8591}
        .level{fill:#c9e4d3}.ready{stroke:#0e8088}.result{stroke:#c2405a}.panic{stroke:#d1242f}
        .call{fill:#d27a1e}.open{fill:#d1242f}.readyt{fill:#0e8088}.resultt{fill:#c2405a}.panict{fill:#d1242f}
        @media(prefers-color-scheme:dark){
        .b{fill:#0d1117}.d{stroke:#0d1117}.t{fill:#e6edf3}.m,.c{fill:#9198a1}.g{stroke:#2c333d}.s{fill:#151b23}.i{fill:#0d1117}
        .host{fill:#6ea0f0}.supervisor{fill:#b08be8}.kernel{fill:#4fc07a}.agent{fill:#35b8c0}.command{fill:#f0728a}.teardown{fill:#9aa4b0}
        .level{fill:#1d4a30}.ready{stroke:#35b8c0}.result{stroke:#f0728a}.panic{stroke:#ff7b72}
        .call{fill:#f0a04b}.open{fill:#ff7b72}.readyt{fill:#35b8c0}.resultt{fill:#f0728a}.panict{fill:#ff7b72}}
        """;

    /// <summary>Draws the image.</summary>
    public static string Draw(BootMeasurement boots)
    {
        BootTimeline boot = boots.Shown;
        var body = new StringBuilder();
        double y = DrawHeading(body, boots);
        double span = Math.Max(boot.End.TotalMilliseconds, 0.001);
        double X(TimeSpan time) => Left + Math.Clamp(time.TotalMilliseconds / span, 0, 1) * (Right - Left);

        double top = y = DrawMarkLabels(body, boot, X, y);
        y += 20;
        var stripes = new StringBuilder();
        var rows = new StringBuilder();
        BootActor? actor = null;
        int striped = 0;
        foreach (BootPhase phase in boot.Phases)
        {
            if (striped++ % 2 == 0)
                Rectangle(stripes, "s", 0, y, Width, Row);
            if (phase.Actor != actor)
                Text(rows, "t k " + Class(phase.Actor), Margin, y + 15, Name(phase.Actor));
            actor = phase.Actor;
            Text(rows, "t", Margin + 92, y + 15, BootScale.Shorten(phase.Name, 25));
            DrawPhase(rows, boot, phase, X, y);
            y += Row;
        }

        BootInitcall[] slowest = [.. boots.Slowest().Take(Listed)];
        if (slowest.Length > 0)
        {
            y += 14;
            string count = boot.Initcalls.Length.ToString(CultureInfo.InvariantCulture);
            string share = BootScale.Milliseconds(Sum(boot.Initcalls));
            Text(rows, "t k", Margin, y + 15, $"The slowest of {count} initcalls, which took {share} ms together");
            y += Row + 2;
            foreach (BootInitcall call in slowest)
            {
                if (striped++ % 2 == 0)
                    Rectangle(stripes, "s", 0, y, Width, Row);
                DrawCall(rows, call, X, y);
                y += Row;
            }
        }

        // What is written last lies on top.
        DrawGrid(stripes, rows, span, top, y);
        DrawMarkLines(stripes, boot, X, top, y);
        body.Append(stripes).Append(rows);
        double height = y + Margin;
        return string.Create(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Number(height)}" width="{Width}" height="{Number(height)}" role="img" aria-label="{Escape(Title(boots))}">
            <style>{Style}</style>
            <rect class="b" width="{Width}" height="{Number(height)}"/>
            {body}</svg>

            """);
    }

    /// <summary>What the chart says in one line.</summary>
    public static string Title(BootMeasurement boots)
    {
        BootTimeline boot = boots.Shown;
        string what = boot switch
        {
            { Failure: { } } => $"failed after {BootScale.Milliseconds(boot.FailedAt ?? boot.End)} ms",
            { Result: { } result } => $"first result after {BootScale.Milliseconds(result)} ms",
            { Ready: { } ready } => $"ready after {BootScale.Milliseconds(ready)} ms",
            _ => $"not ready after {BootScale.Milliseconds(boot.End)} ms",
        };
        return $"Linux {boots.Subject.Release}: {what}";
    }

    /// <summary>What must be said beside the picture, a line each.</summary>
    public static IEnumerable<string> Facts(BootMeasurement boots)
    {
        BootTimeline boot = boots.Shown;
        yield return $"{boots.Subject.Reference}; {boots.Subject.Guest}{(boots.Subject.Command.Length > 0 ? $"; command: {boots.Subject.Command}" : "")}";
        yield return $"On {boots.Subject.Host}.";
        if (boot.Failure is { } failure)
            yield return failure;
        string runs = boots.Traced.Length == 1 ? "One boot, the kernel telling what it calls" : $"The boot of the median time, of {boots.Traced.Length}, the kernel telling what it calls";
        string spread = boots.Traced.Length > 1 && boots.Traced.All(b => b.Goal is not null)
            ? $" ({BootScale.Milliseconds(boots.Traced.Min(b => b.Goal!.Value))} to {BootScale.Milliseconds(boots.Traced.Max(b => b.Goal!.Value))} ms)"
            : "";
        string plain = BootMeasurement.Median(boots.Plain) is { } median
            ? $". To tell costs time: without, {(boots.Plain.Length == 1 ? "a boot" : "the median")} took {BootScale.Milliseconds(median)} ms"
            : "";
        yield return $"{runs}{spread}{plain}.";
        if (boot.Initcalls.Length == 0 && boot.Failure is null)
            yield return "This kernel does not tell its initcalls: initcall_debug needs CONFIG_PRINTK.";
        else if (!boot.IsLive)
            yield return "This kernel's console cannot be followed from the start: initcalls stand back to back, where they were at the latest.";
        if (boot is { DroppedLines: > 0, IsLive: false })
            yield return $"The kernel dropped {boot.DroppedLines} lines of its log: initcalls are missing.";
    }

    /// <summary>All durations that are known.</summary>
    public static TimeSpan Sum(IEnumerable<BootInitcall> calls) => new(calls.Sum(c => c.Duration?.Ticks ?? 0));

    /// <summary>How charts name an actor.</summary>
    public static string Name(BootActor actor) => actor switch
    {
        BootActor.Host => "Host",
        BootActor.Supervisor => "Supervisor",
        BootActor.Kernel => "Kernel",
        BootActor.Agent => "Agent",
        BootActor.Command => "Command",
        _ => "End",
    };

    /// <summary>Makes a text fit for XML: what has a meaning there escaped, what may not stand there at all replaced.</summary>
    public static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '&':
                    escaped.Append("&amp;");
                    break;
                case '<':
                    escaped.Append("&lt;");
                    break;
                case '>':
                    escaped.Append("&gt;");
                    break;
                case '"':
                    escaped.Append("&quot;");
                    break;
                case '\t':
                    escaped.Append(' ');
                    break;
                case < 0x20 or >= 0x7f and < 0xa0 or 0xfffe or 0xffff:
                    escaped.Append('\ufffd');
                    break;
                default:
                    escaped.Append(rune.ToString());
                    break;
            }
        }

        return escaped.ToString();
    }

    private static double DrawHeading(StringBuilder svg, BootMeasurement boots)
    {
        double y = 38;
        Text(svg, "t h", Margin, y, BootScale.Shorten(Title(boots), 100));
        y += 8;
        foreach (string line in Facts(boots).SelectMany(f => BootScale.Wrap(f, FactWidth)))
            Text(svg, "t m", Margin, y += LineHeight, line);
        y += 4;
        foreach (string line in BootScale.Wrap(boots.Subject.CommandLine, FactWidth - 4))
            Text(svg, "c", Margin, y += LineHeight - 2, line);
        return y + 16;
    }

    // One line each, the last moment's first, all to the left of their mark: however close two are, nothing is crossed.
    private static double DrawMarkLabels(StringBuilder svg, BootTimeline boot, Func<TimeSpan, double> x, double y)
    {
        foreach ((string name, string label, TimeSpan at) in Marks(boot))
        {
            y += 15;
            Text(svg, $"t k n {name}t", x(at) - 5, y, $"{label} {BootScale.Milliseconds(at)} ms", "end");
        }

        return y + 6;
    }

    private static void DrawMarkLines(StringBuilder svg, BootTimeline boot, Func<TimeSpan, double> x, double top, double bottom)
    {
        double y = top - 6 - (15 * Marks(boot).Length);
        foreach ((string name, _, TimeSpan at) in Marks(boot))
        {
            y += 15;
            string position = Number(x(at));
            svg.Append(CultureInfo.InvariantCulture, $"<path class=\"{name}\" stroke-width=\"1.5\" d=\"M{position} {Number(y - 11)}V{Number(bottom)}\"/>\n");
        }
    }

    private static (string Name, string Label, TimeSpan At)[] Marks(BootTimeline boot)
    {
        (string Name, string Label, TimeSpan? At)[] marks = [("ready", "ready", boot.Ready), ("result", "first result", boot.Result), ("panic", "panic", boot.FailedAt)];
        return [.. marks.Where(m => m.At is not null).Select(m => (m.Name, m.Label, m.At!.Value)).OrderByDescending(m => m.Value)];
    }

    private static void DrawGrid(StringBuilder svg, StringBuilder words, double span, double top, double bottom)
    {
        double step = BootScale.Step(span, 10);
        string digits = step >= 1 ? "0" : "0.###";
        for (int i = 0; i * step <= span * 1.0001; i++)
        {
            double x = Left + i * step / span * (Right - Left);
            svg.Append(CultureInfo.InvariantCulture, $"<path class=\"g\" d=\"M{Number(x)} {Number(top + 16)}V{Number(bottom)}\"/>\n");
            string unit = i == 0 ? " ms" : "";
            Text(words, "t m n d", x, top + 11, (i * step).ToString(digits, CultureInfo.InvariantCulture) + unit, "middle");
        }
    }

    private static void DrawPhase(StringBuilder svg, BootTimeline boot, BootPhase phase, Func<TimeSpan, double> x, double y)
    {
        double from = x(phase.Start), to = Math.Max(x(phase.End), from + 1.5);
        BootInitcall[] calls = phase is { Actor: BootActor.Kernel, Background: false } && phase.Name.StartsWith("initcalls", StringComparison.Ordinal)
            ? [.. boot.Initcalls.Where(c => c.Start >= phase.Start && c.Start < phase.End)]
            : [];
        string note = $"{Name(phase.Actor)}: {phase.Name}, {BootScale.Milliseconds(phase.Duration)} ms from {BootScale.Milliseconds(phase.Start)} ms";
        double opacity = phase.Background ? 0.6 : 1;
        Rectangle(svg, calls.Length > 0 || phase.Name.StartsWith("initcalls", StringComparison.Ordinal) ? "level" : Class(phase.Actor), from, y + 4, to - from, Bar, note, opacity);
        foreach (BootInitcall call in calls)
            DrawSegment(svg, call, Math.Max(from, x(call.Start)), x, to, y);
        string text = BootScale.Milliseconds(phase.Duration) + (calls.Length > 0 ? $" · {calls.Length}" : "");
        DrawTime(svg, from, to, y, text);
    }

    private static void DrawSegment(StringBuilder svg, BootInitcall call, double from, Func<TimeSpan, double> x, double limit, double y)
    {
        double to = call.Duration is { } duration ? Math.Min(x(call.Start + duration), Math.Max(limit, from)) : limit;
        // A hairline for each of hundreds would be a wall of ink that says they took long.
        if (to - from < 0.4)
            return;
        Rectangle(svg, call.Duration is null ? "open" : "call", from, y + 4, to - from > 3 ? to - from - 0.6 : to - from, Bar, Describe(call));
        int letters = (int)((to - from - 6) / LetterWidth);
        if (letters >= Math.Min(call.Name.Length, 10))
            Text(svg, "t i", from + 3, y + 15, BootScale.Shorten(call.Name, letters));
    }

    private static void DrawCall(StringBuilder svg, BootInitcall call, Func<TimeSpan, double> x, double y)
    {
        string name = BootScale.Shorten(call.Module.Length > 0 ? $"{call.Name} [{call.Module}]" : call.Name, 37);
        Text(svg, "c", Margin, y + 15, name);
        double from = x(call.Start), to = call.Duration is { } duration ? Math.Max(x(call.Start + duration), from + 1.5) : Right;
        Rectangle(svg, call.Duration is null ? "open" : "call", from, y + 4, to - from, Bar, Describe(call));
        string failed = call.Result == 0 ? "" : $" · returned {call.Result.ToString(CultureInfo.InvariantCulture)}";
        DrawTime(svg, from, to, y, (call.Duration is { } time ? BootScale.Milliseconds(time) : "did not return") + failed);
    }

    private static void DrawTime(StringBuilder svg, double from, double to, double y, string text)
    {
        bool fits = to + 5 + (text.Length * LetterWidth) < Width - 8;
        Text(svg, "t m n d", fits ? to + 5 : from - 5, y + 15, text, fits ? null : "end");
    }

    private static string Describe(BootInitcall call)
    {
        string module = call.Module.Length > 0 ? $" of the module {call.Module}" : call.Level.Length > 0 ? $" ({call.Level})" : "";
        string time = call.Duration is { } duration ? $"{BootScale.Milliseconds(duration)} ms" : "did not return";
        return $"{call.Name}{module}: {time} from {BootScale.Milliseconds(call.Start)} ms{(call.Result == 0 ? "" : $", returned {call.Result.ToString(CultureInfo.InvariantCulture)}")}";
    }

    private static string Class(BootActor actor) => actor.ToString().ToLowerInvariant();

    private static void Rectangle(StringBuilder svg, string style, double x, double y, double width, double height, string? note = null, double opacity = 1)
    {
        svg.Append(CultureInfo.InvariantCulture, $"<rect class=\"{style}\" x=\"{Number(x)}\" y=\"{Number(y)}\" width=\"{Number(width)}\" height=\"{Number(height)}\"");
        if (opacity < 1)
            svg.Append(CultureInfo.InvariantCulture, $" opacity=\"{opacity}\"");
        if (note is null)
            svg.Append("/>\n");
        else
            svg.Append(CultureInfo.InvariantCulture, $"><title>{Escape(note)}</title></rect>\n");
    }

    private static void Text(StringBuilder svg, string style, double x, double y, string text, string? anchor = null)
    {
        string where = anchor is null ? "" : $" text-anchor=\"{anchor}\"";
        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"{style}\" x=\"{Number(x)}\" y=\"{Number(y)}\"{where}>{Escape(text)}</text>\n");
    }

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
