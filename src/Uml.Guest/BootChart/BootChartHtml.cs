using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>Writes boots as a web page that needs nothing else: the image, and tables that can be sorted and searched. Pure.</summary>
internal static class BootChartHtml
{
    private const string Style = """
        :root{color-scheme:light dark}
        body{margin:0;font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;background:#fff;color:#1f2328}
        main{max-width:1200px;margin:0 auto;padding:0 0 48px}
        .chart{overflow-x:auto}.chart svg{display:block;width:100%;min-width:900px;height:auto}
        section{padding:0 24px}h2{font-size:17px;margin:28px 0 8px}
        .wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px}
        th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid #d8dee4;white-space:nowrap}
        td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.f{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
        th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid #3b6fc4}
        th[aria-sort=ascending] button::after{content:" ▲"}th[aria-sort=descending] button::after{content:" ▼"}
        input{font:inherit;padding:6px 10px;width:min(320px,100%);box-sizing:border-box;border:1px solid #8c959f;border-radius:6px;background:inherit;color:inherit}
        @media(max-width:600px){section{padding:0 12px}th,td{white-space:normal;padding-right:8px}td.f{overflow-wrap:anywhere}}
        @media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th,td{border-color:#2c333d}input{border-color:#59636e}}
        """;

    private const string Script = """
        for (const table of document.querySelectorAll('table')) {
          const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
          heads.forEach((head, column) => head.querySelector('button').onclick = () => {
            const down = head.getAttribute('aria-sort') !== 'descending' && (head.classList.contains('n') || head.getAttribute('aria-sort') === 'ascending');
            heads.forEach(h => h.removeAttribute('aria-sort'));
            head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
            const key = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
            const number = head.classList.contains('n');
            const order = (a, b) => number ? key(a) - key(b) : key(a).localeCompare(key(b));
            [...body.rows].sort((a, b) => down ? order(b, a) : order(a, b)).forEach(row => body.append(row));
          });
        }
        const search = document.getElementById('search');
        if (search) search.oninput = () => {
          const word = search.value.toLowerCase();
          let shown = 0;
          for (const row of document.getElementById('calls').tBodies[0].rows) {
            row.hidden = !row.textContent.toLowerCase().includes(word);
            shown += row.hidden ? 0 : 1;
          }
          document.getElementById('count').textContent = shown;
        };
        """;

    /// <summary>Writes the page.</summary>
    public static string Write(BootMeasurement boots)
    {
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
            <title>{BootChartSvg.Escape(BootChartSvg.Title(boots))}</title>
            <style>{Style}</style>
            </head>
            <body>
            <main>
            <div class="chart">
            {BootChartSvg.Draw(boots)}</div>

            """);
        WritePhases(html, boots.Shown);
        if (boots.Shown.Initcalls.Length > 0)
            WriteCalls(html, boots);
        html.Append(CultureInfo.InvariantCulture, $"""
            </main>
            <script>
            {Script}
            </script>
            </body>
            </html>

            """);
        return html.ToString();
    }

    private static void WritePhases(StringBuilder html, BootTimeline boot)
    {
        html.Append("<section>\n<h2>Phases</h2>\n<div class=\"wide\">\n<table>\n");
        WriteHeads(html, ("Who", false), ("What", false), ("From, ms", true), ("Took, ms", true));
        foreach (BootPhase phase in boot.Phases)
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><td>{BootChartSvg.Name(phase.Actor)}</td><td>{BootChartSvg.Escape(phase.Name)}{(phase.Background ? " (beside the rest)" : "")}</td>");
            WriteTime(html, phase.Start);
            WriteTime(html, phase.Duration);
            html.Append("</tr>\n");
        }

        html.Append("</tbody>\n</table>\n</div>\n</section>\n");
    }

    private static void WriteCalls(StringBuilder html, BootMeasurement boots)
    {
        int count = boots.Shown.Initcalls.Length;
        string medians = boots.Traced.Length > 1 ? $", medians of {boots.Traced.Length.ToString(CultureInfo.InvariantCulture)} boots" : "";
        html.Append(CultureInfo.InvariantCulture, $"""
            <section>
            <h2>Initcalls: <span id="count">{count}</span> of {count}{medians}</h2>
            <p><input id="search" type="search" placeholder="Search initcalls" aria-label="Search initcalls"></p>
            <div class="wide">
            <table id="calls">

            """);
        WriteHeads(html, ("Function", false), ("Level or module", false), ("From, ms", true), ("Took, ms", true), ("Returned", true));
        foreach (BootInitcall call in boots.Slowest())
        {
            string where = call.Module.Length > 0 ? $"[{call.Module}]" : call.Level;
            html.Append(CultureInfo.InvariantCulture, $"<tr><td class=\"f\">{BootChartSvg.Escape(call.Name)}</td><td>{BootChartSvg.Escape(where)}</td>");
            WriteTime(html, call.Start);
            if (call.Duration is { } time)
                WriteTime(html, time);
            else
                html.Append("<td class=\"n\" data-v=\"1e12\">did not return</td>");
            html.Append(CultureInfo.InvariantCulture, $"<td class=\"n\">{call.Result}</td></tr>\n");
        }

        html.Append("</tbody>\n</table>\n</div>\n</section>\n");
    }

    private static void WriteHeads(StringBuilder html, params ReadOnlySpan<(string Name, bool Number)> heads)
    {
        html.Append("<thead><tr>");
        foreach ((string name, bool number) in heads)
            html.Append(CultureInfo.InvariantCulture, $"<th{(number ? " class=\"n\"" : "")}><button type=\"button\">{name}</button></th>");
        html.Append("</tr></thead>\n<tbody>\n");
    }

    private static void WriteTime(StringBuilder html, TimeSpan time) =>
        html.Append(CultureInfo.InvariantCulture, $"<td class=\"n\" data-v=\"{time.TotalMilliseconds.ToString("0.####", CultureInfo.InvariantCulture)}\">{BootScale.Milliseconds(time)}</td>");
}
