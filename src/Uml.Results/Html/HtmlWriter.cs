using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Uml.CI;

/// <summary>One page with everything in it: it loads nothing, and without its script all can still be read.</summary>
/// <remarks>
/// All that tests and kernels said is escaped, and the page's policy lets no script run but the page's own, whose hash it
/// names. Folded parts are plain HTML, which browsers lay out only when they are opened: a page of many tests stays quick.
/// </remarks>
internal sealed class HtmlWriter
{
    private const int MostText = 128 * 1024;
    private const int FailureBudget = 24_000_000;
    private const int OutputBudget = 24_000_000;
    private const int LogHead = 1_000_000;
    private const int LogTail = 3_000_000;
    private const int MostOpen = 3;
    private const int SlowestTests = 15;

    private readonly TextWriter _to;
    private readonly Report _report;
    private readonly ReportMatrix _matrix;
    private readonly string _title;
    private int _failureBudget = FailureBudget;
    private int _outputBudget = OutputBudget;

    private HtmlWriter(Report report, TextWriter to, string title)
    {
        _report = report;
        _to = to;
        _matrix = ReportMatrix.Of(report);
        _title = title.Length > 0 ? title : string.Join(", ", report.Runs.Select(r => r.Name).Distinct(StringComparer.Ordinal));
    }

    public static void Write(Report report, ReportTarget target)
    {
        using var to = new StreamWriter(target.Stream, new UTF8Encoding(false), 64 * 1024, leaveOpen: true) { NewLine = "\n" };
        new HtmlWriter(report, to, target.Options.Title).WritePage();
    }

    private void WritePage()
    {
        string script = Resource("report.js");
        string hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)));
        _to.Write($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="referrer" content="no-referrer">
            <title>{(_report.Succeeded ? "✓" : "✗")} {E(_title)}</title>
            <style>
            {Resource("report.css")}</style>
            </head>
            <body>
            <a class="skip-link" href="#matrix">To the tests</a>

            """);
        WriteHeader();
        _to.Write("<main>\n");
        WriteFailures();
        WriteComplaints();
        WriteMatrix();
        WriteSlowest();
        WriteLogs();
        _to.Write($"""
            </main>
            <dialog id="keys"><h2>Keys</h2><dl>
            <dt><kbd>/</kbd></dt><dd>search</dd><dt><kbd>Esc</kbd></dt><dd>clear search and filters</dd>
            <dt><kbd>n</kbd> <kbd>p</kbd></dt><dd>next, previous failure</dd><dt><kbd>e</kbd></dt><dd>open or close all suites</dd><dt><kbd>?</kbd></dt><dd>these keys</dd>
            </dl><form method="dialog"><button>Close</button></form></dialog>
            <footer>Written by {E(_report.Tool)}{(_report.ToolVersion.Length > 0 ? " " + E(_report.ToolVersion) : "")}.</footer>
            <script>{script}</script>
            </body>
            </html>

            """);
    }

    private void WriteHeader()
    {
        _to.Write($"<header class=\"page\">\n<div class=\"headline\"><h1>{Bdi(_title)}</h1> {Verdict(_report.Succeeded)}</div>\n<p class=\"facts\">");
        int tests = _matrix.Rows.Count();
        _to.Write($"{tests.ToString("N0", CultureInfo.InvariantCulture)} {(tests == 1 ? "test" : "tests")}");
        if (_matrix.Kernels is [.., _] and not [""])
            _to.Write($" on {ReportText.Count(_matrix.Kernels.Length, "kernel")}");
        _to.Write($", {ReportText.Duration(_report.Duration)}");
        if (_report.Started is { } started)
            _to.Write($", <time datetime=\"{started.ToString("O", CultureInfo.InvariantCulture)}\">{started.ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture)}</time>");
        _to.Write("</p>\n");

        (ReportOutcome Outcome, int Count)[] counts = [.. ReportOutcomes.WorstFirst.Select(o => (o, _report.Count(o))).Where(c => c.Item2 > 0)];
        _to.Write("<div class=\"bar\" aria-hidden=\"true\">");
        foreach ((ReportOutcome outcome, int count) in counts)
            _to.Write($"<i class=\"{BarClass(outcome)}\" style=\"flex:{count.ToString(CultureInfo.InvariantCulture)}\"></i>");
        _to.Write("</div>\n<ul class=\"counts\">");
        foreach ((ReportOutcome outcome, int count) in counts)
            _to.Write($"<li class=\"{Class(outcome)}\">{Symbol(outcome)} <b>{count.ToString("N0", CultureInfo.InvariantCulture)}</b> {outcome.Words()}</li>");
        ReportEntry[] others = [.. _report.Runs.SelectMany(r => r.FailedOtherwise)];
        int complaints = others.Count(e => e.Kind == ReportEntryKind.Complaint);
        if (complaints > 0)
            _to.Write($"<li class=\"failed\">⚠ <b>{complaints.ToString("N0", CultureInfo.InvariantCulture)}</b> kernel {(complaints == 1 ? "complaint" : "complaints")}</li>");
        if (others.Length > complaints)
            _to.Write($"<li class=\"error\">{Symbol(ReportOutcome.Error)} <b>{(others.Length - complaints).ToString("N0", CultureInfo.InvariantCulture)}</b> outside tests</li>");
        _to.Write("</ul>\n");
        if (_matrix.Kernels is not ([] or [""]))
            WriteKernels();
        _to.Write("</header>\n");
    }

    private void WriteKernels()
    {
        _to.Write("<ul class=\"kernels\" aria-label=\"Kernels\">\n");
        foreach (string kernel in _matrix.Kernels)
        {
            ReportRun[] runs = [.. _report.Runs.Where(r => r.Kernel == kernel)];
            bool good = runs.All(r => r.Succeeded);
            string release = string.Join(", ", runs.Select(r => r.Release).Where(r => r.Length > 0).Distinct(StringComparer.Ordinal));
            _to.Write($"<li class=\"{(good ? "passed" : "failed")}\"><h3>{(good ? "<span class=\"passed\">✓</span>" : "<span class=\"failed\">✗</span>")} {Bdi(kernel.Length > 0 ? kernel : "no kernel")}</h3><p>");
            _to.Write(release.Length > 0 ? $"Linux {E(release)}" : "did not come up");
            _to.Write($", {ReportText.Duration(TimeSpan.FromTicks(runs.Sum(r => r.Duration.Ticks)))}</p><p>");
            _to.Write(string.Join(", ", ReportOutcomes.WorstFirst.Select(o => (Outcome: o, Count: runs.Sum(r => r.Count(o)))).Where(c => c.Count > 0)
                .Select(c => $"<span class=\"{Class(c.Outcome)}\">{c.Count.ToString(CultureInfo.InvariantCulture)} {c.Outcome.Words()}</span>")));
            int complaints = runs.Sum(r => r.Complaints.Count(c => c.AllowedBecause is null));
            if (complaints > 0)
                _to.Write($", <a href=\"#complaints\" class=\"failed\">{ReportText.Count(complaints, "kernel complaint")}</a>");
            _to.Write("</p>");
            if (runs.FirstOrDefault(r => r.Environment.Length > 0)?.Environment is { } environment)
                _to.Write($"<p>{Bdi(environment)}</p>");
            for (int i = 0; i < _report.Runs.Length; i++)
            {
                ReportRun run = _report.Runs[i];
                if (run.Kernel == kernel && run.KernelLog is { Length: > 0 })
                    _to.Write($"<p><a href=\"#log{i.ToString(CultureInfo.InvariantCulture)}\">kernel log{(runs.Length > 1 ? $" of {E(run.Name)}" : "")}</a></p>");
            }

            _to.Write("</li>\n");
        }

        _to.Write("</ul>\n");
    }

    private void WriteFailures()
    {
        ReportMatrix.Row[] failed = [.. _matrix.Rows.Where(r => r.Failed)];
        var others = _report.Runs.SelectMany(r => r.FailedOtherwise.Where(e => e.Kind != ReportEntryKind.Complaint).Select(e => (Run: r, e.Test))).ToArray();
        if (failed.Length + others.Length == 0)
            return;
        bool open = failed.Length + others.Length <= MostOpen;
        _to.Write($"<section aria-labelledby=\"failures-title\"><h2 id=\"failures-title\">Failures <small>{ReportText.Count(failed.Length + others.Length, "entry", "entries")}</small></h2>\n<div id=\"failures\">\n");
        foreach ((ReportRun run, ReportTest test) in others)
        {
            _to.Write($"<details class=\"item\"{(open ? " open" : "")}><summary><span class=\"name\">{Bdi(run.Name)}</span><span class=\"where\">{Chip(test.Outcome, run.Kernel)}</span><span class=\"why\">{Bdi(ReportText.FirstLine(test.Message))}</span></summary><div class=\"body\">");
            WriteTexts(test, failed: true);
            _to.Write("</div></details>\n");
        }

        foreach (ReportMatrix.Row row in failed)
            WriteFailure(row, open);
        _to.Write("</div></section>\n");
    }

    private void WriteFailure(ReportMatrix.Row row, bool open)
    {
        ReportTest first = row.Tests.First(t => t is not null && t.Outcome.IsFailure())!;
        _to.Write($"<details class=\"item\" id=\"f{row.Number.ToString(CultureInfo.InvariantCulture)}\" data-n=\"{E(row.FullName)}\" data-o=\"{Outcomes(row)}\"{(open ? " open" : "")}><summary><span class=\"name\">{Bdi(row.FullName)}</span><span class=\"where\">");
        for (int i = 0; i < row.Tests.Length; i++)
        {
            if (row.Tests[i] is { } test)
                _to.Write(Chip(test.Outcome, _matrix.Kernels[i]));
        }

        _to.Write($"</span><span class=\"why\">{Bdi(ReportText.FirstLine(first.Message.Length > 0 ? first.Message : first.Details))}</span></summary><div class=\"body\">\n");

        // Kernels on which the same happened share the text.
        var groups = row.Tests.Select((t, i) => (Test: t, Kernel: _matrix.Kernels[i])).Where(t => t.Test is not null && t.Test.Outcome.IsFailure())
            .GroupBy(t => (t.Test!.Outcome, t.Test.Message, t.Test.Details, t.Test.Output));
        foreach (var group in groups)
        {
            ReportTest test = group.First().Test!;
            string kernels = string.Join(", ", group.Select(g => g.Kernel).Where(k => k.Length > 0));
            _to.Write($"<h4><span class=\"{Class(test.Outcome)}\">{Symbol(test.Outcome)} {test.Outcome.Words()}</span>{(kernels.Length > 0 ? $" on {Bdi(kernels)}" : "")} <small>after {string.Join(", ", group.Select(g => ReportText.Duration(g.Test!.Duration)).Distinct(StringComparer.Ordinal))}</small></h4>\n");
            WriteTexts(test, failed: true);
        }

        _to.Write("</div></details>\n");
    }

    private void WriteTexts(ReportTest test, bool failed)
    {
        bool traits = !test.Traits.IsEmpty;
        bool source = test.SourceFile is not null;
        bool type = test.ErrorType.Length > 0;
        bool attempts = test.Attempts > 1 || test.Flaky;
        if (traits || source || type || attempts || !test.Attachments.IsEmpty)
        {
            _to.Write("<dl>");
            if (source)
                _to.Write($"<dt>source</dt><dd><code>{Bdi(test.SourceFile!)}{(test.SourceLine is { } line ? $":{line.ToString(CultureInfo.InvariantCulture)}" : "")}</code></dd>");
            if (type)
                _to.Write($"<dt>type</dt><dd>{Bdi(test.ErrorType)}</dd>");
            if (attempts)
                _to.Write($"<dt>attempts</dt><dd>{test.Attempts.ToString(CultureInfo.InvariantCulture)}{(test.Flaky ? ", flaky" : "")}</dd>");
            if (traits)
                _to.Write($"<dt>traits</dt><dd>{string.Join(", ", test.Traits.Select(t => Bdi($"{t.Name}={t.Value}")))}</dd>");
            foreach (ReportAttachment attachment in test.Attachments)
                _to.Write($"<dt>attachment</dt><dd>{Bdi(attachment.Name)}{(attachment.File is { } file ? $", {Bdi(file)}" : "")}</dd>");
            _to.Write("</dl>\n");
        }

        if (test.Message.Length > 0)
            _to.Write($"<pre class=\"message\">{Take(test.Message, failed, tail: false)}</pre>\n");
        if (test.Details.Length > 0)
            _to.Write($"<pre tabindex=\"0\" aria-label=\"details\">{Take(test.Details, failed, tail: false)}</pre>\n");
        if (test.Output.Length > 0)
            _to.Write($"<details class=\"fold\"{(failed ? "" : " open")}><summary>output, {ReportText.Size(test.Output.Length)}</summary><pre tabindex=\"0\">{Take(test.Output, failed, tail: true)}</pre></details>\n");
        foreach (ReportAttachment attachment in test.Attachments.Where(a => a.Text is not null))
            _to.Write($"<details class=\"fold\"><summary>{Bdi(attachment.Name)}</summary><pre tabindex=\"0\">{Take(attachment.Text!, failed, tail: false)}</pre></details>\n");
    }

    private void WriteComplaints()
    {
        var complaints = _report.Runs.SelectMany(r => r.Complaints.Select(c => (Run: r, Complaint: c))).ToArray();
        if (complaints.Length == 0)
            return;
        _to.Write($"<section aria-labelledby=\"complaints\"><h2 id=\"complaints\">Kernel complaints <small>{complaints.Length.ToString(CultureInfo.InvariantCulture)}</small></h2>\n");
        foreach (var same in complaints.GroupBy(c => (c.Complaint.Kind, c.Complaint.Title, c.Complaint.AllowedBecause)).OrderBy(g => g.Key.AllowedBecause is not null))
        {
            ReportComplaint first = same.First().Complaint;
            bool allowed = first.AllowedBecause is not null;
            _to.Write($"<details class=\"item {(allowed ? "allowed" : "warning")}\"><summary><span class=\"name\">{Bdi(first.Title)}</span><span class=\"where\">");
            foreach (IGrouping<string, (ReportRun Run, ReportComplaint Complaint)> kernel in same.GroupBy(s => s.Run.Kernel, StringComparer.Ordinal))
                _to.Write($"<span class=\"chip {(allowed ? "skipped" : "expected-failure")}\">{(allowed ? "– " : "⚠ ")}{Bdi(kernel.Key)}{(kernel.Count() > 1 ? $" × {kernel.Count().ToString(CultureInfo.InvariantCulture)}" : "")}</span>");
            _to.Write($"</span><span class=\"why\">{Bdi(first.Kind)}{(first.SourceFile is { } file ? $" at {Bdi(file)}{(first.SourceLine is { } line ? $":{line.ToString(CultureInfo.InvariantCulture)}" : "")}" : "")}{(allowed ? $", allowed: {Bdi(first.AllowedBecause!)}" : "")}</span></summary><div class=\"body\">\n");
            foreach ((ReportRun run, ReportComplaint complaint) in same)
            {
                _to.Write($"<h4>{Bdi(run.Kernel)} <small>{Bdi(run.Name)}</small></h4>");
                WriteLog(complaint.Text, "kernel log");
            }

            _to.Write("</div></details>\n");
        }

        _to.Write("</section>\n");
    }

    private void WriteMatrix()
    {
        string k = Math.Max(1, _matrix.Kernels.Length).ToString(CultureInfo.InvariantCulture);
        _to.Write("<section aria-labelledby=\"tests-title\"><h2 id=\"tests-title\">Tests</h2>\n<div class=\"tools\"><div class=\"needs-js\"><form id=\"filter\" role=\"search\"><input type=\"search\" name=\"q\" placeholder=\"Search tests ( / )\" aria-label=\"Search tests\" autocomplete=\"off\" spellcheck=\"false\">");
        if (_matrix.Kernels.Length > 1)
        {
            _to.Write("<select name=\"kernel\" aria-label=\"Kernel\"><option value=\"-1\">all kernels</option>");
            for (int i = 0; i < _matrix.Kernels.Length; i++)
                _to.Write($"<option value=\"{i.ToString(CultureInfo.InvariantCulture)}\">{E(_matrix.Kernels[i])}</option>");
            _to.Write("</select>");
        }

        _to.Write("<fieldset><legend class=\"vh\">Outcome</legend>");
        foreach (ReportOutcome outcome in ReportOutcomes.WorstFirst.Where(o => _report.Count(o) > 0))
            _to.Write($"<label class=\"pick {Class(outcome)}\"><input type=\"checkbox\" name=\"o\" value=\"{outcome.Words()}\">{Symbol(outcome)} {outcome.Words()}</label>");
        if (_matrix.Kernels.Length > 1)
            _to.Write("<label class=\"pick\"><input type=\"checkbox\" name=\"differ\">≠ kernels differ</label>");
        _to.Write("</fieldset><button type=\"button\" id=\"open-all\">Open all</button><button type=\"reset\">Clear</button><button type=\"button\" id=\"show-keys\" aria-label=\"Keys\">?</button></form></div><p id=\"shown\" class=\"needs-js\" role=\"status\"></p>\n");
        _to.Write($"<div class=\"matrix columns\" style=\"--k:{k}\" aria-hidden=\"true\"><span></span>{string.Concat(_matrix.Kernels.Select(n => $"<span title=\"{E(n)}\">{E(n.Length > 0 ? n : "outcome")}</span>"))}</div></div>\n");
        _to.Write($"<div id=\"matrix\" class=\"matrix panel\" style=\"--k:{k}\">\n");
        bool openAll = _matrix.Suites.Count == 1;
        foreach (ReportMatrix.Suite suite in _matrix.Suites)
            WriteSuite(suite, openAll || suite.Rows.Exists(r => r.Failed));
        if (_matrix.Suites.Count == 0)
            _to.Write("<p style=\"padding:0 .8rem\">No test was run.</p>");
        _to.Write("</div></section>\n");
    }

    private void WriteSuite(ReportMatrix.Suite suite, bool open)
    {
        _to.Write($"<details class=\"suite\"{(open ? " open" : "")}><summary><b>{Bdi(suite.Name)}</b>");
        for (int i = 0; i < _matrix.Kernels.Length; i++)
        {
            _to.Write("<span>");
            _to.Write(string.Join(" ", ReportOutcomes.WorstFirst.Select(o => (Outcome: o, Count: suite.Rows.Count(r => r.Tests[i]?.Outcome == o))).Where(c => c.Count > 0)
                .Select(c => $"<span class=\"{Class(c.Outcome)}\" title=\"{c.Count.ToString(CultureInfo.InvariantCulture)} {c.Outcome.Words()}\">{Symbol(c.Outcome)} {c.Count.ToString(CultureInfo.InvariantCulture)}<span class=\"vh\"> {c.Outcome.Words()}</span></span>")));
            _to.Write("</span>");
        }

        _to.Write($"</summary>\n<table><colgroup><col>{string.Concat(Enumerable.Repeat("<col class=\"k\">", _matrix.Kernels.Length))}</colgroup><thead class=\"vh\"><tr><th scope=\"col\">test</th>{string.Concat(_matrix.Kernels.Select(n => $"<th scope=\"col\">{E(n.Length > 0 ? n : "outcome")}</th>"))}</tr></thead><tbody>\n");
        foreach (ReportMatrix.Row row in suite.Rows)
            WriteRow(row);
        _to.Write("</tbody></table></details>\n");
    }

    private void WriteRow(ReportMatrix.Row row)
    {
        string number = row.Number.ToString(CultureInfo.InvariantCulture);
        ReportTest?[] told = [.. row.Tests.Where(t => t is not null && !t.Outcome.IsFailure() && (t.Message.Length > 0 || t.Details.Length > 0 || t.Output.Length > 0 || !t.Attachments.IsEmpty || t.Flaky))];
        _to.Write($"<tr data-o=\"{Outcomes(row)}\"><th scope=\"row\"");
        if (told.Length > 0)
        {
            _to.Write($" data-n=\"{E(row.Name)}\"><details><summary>{Bdi(row.Name)}</summary>\n");
            for (int i = 0; i < row.Tests.Length; i++)
            {
                if (row.Tests[i] is not { } test || !told.Contains(test))
                    continue;
                _to.Write($"<h4>{Symbol(test.Outcome)} {test.Outcome.Words()}{(_matrix.Kernels[i].Length > 0 ? $" on {Bdi(_matrix.Kernels[i])}" : "")}</h4>");
                WriteTexts(test, failed: false);
            }

            _to.Write("</details>");
        }
        else
        {
            _to.Write($">{Bdi(row.Name)}");
        }

        _to.Write("</th>");
        foreach (ReportTest? test in row.Tests)
        {
            if (test is null)
            {
                _to.Write("<td class=\"absent\"><span class=\"vh\">not there</span></td>");
                continue;
            }

            string time = ReportText.Duration(test.Duration);
            bool timed = test.Outcome == ReportOutcome.Passed && test.Duration > TimeSpan.Zero;
            string text = timed ? time : test.Outcome.Words();
            string mark = test.Flaky ? " <span title=\"flaky\">↻</span>" : "";
            string hidden = timed ? "<span class=\"vh\">passed</span>" : "";
            _to.Write(test.Outcome.IsFailure()
                ? $"<td class=\"{Class(test.Outcome)}\" title=\"{time}\"><a href=\"#f{number}\">{Symbol(test.Outcome)} {text}</a>{mark}</td>"
                : $"<td class=\"{Class(test.Outcome)}\">{Symbol(test.Outcome)}{hidden} {text}{mark}</td>");
        }

        _to.Write("</tr>\n");
    }

    private void WriteSlowest()
    {
        var slow = _matrix.Rows.SelectMany(r => r.Tests.Select((t, i) => (Row: r, Test: t, Kernel: _matrix.Kernels[i])))
            .Where(t => t.Test is not null && t.Test.Duration > TimeSpan.FromMilliseconds(1)).OrderByDescending(t => t.Test!.Duration).Take(SlowestTests).ToArray();
        if (slow.Length < 2)
            return;
        double longest = slow[0].Test!.Duration.TotalSeconds;
        _to.Write("<section aria-labelledby=\"slowest\"><h2 id=\"slowest\">Slowest</h2>\n<table class=\"slow panel\"><tbody>\n");
        foreach (var (row, test, kernel) in slow)
        {
            double percent = 100 * test!.Duration.TotalSeconds / longest;
            _to.Write($"<tr><th scope=\"row\">{Bdi(row.FullName)}</th><td>{Bdi(kernel)}</td><td class=\"num\">{ReportText.Duration(test.Duration)}</td><td class=\"len\" aria-hidden=\"true\"><i style=\"width:{percent.ToString("0.#", CultureInfo.InvariantCulture)}%\"></i></td></tr>\n");
        }

        _to.Write("</tbody></table></section>\n");
    }

    private void WriteLogs()
    {
        if (!_report.Runs.Any(r => r.KernelLog is { Length: > 0 } || r.KernelLogFile is not null))
            return;
        _to.Write("<section aria-labelledby=\"logs\"><h2 id=\"logs\">Kernel logs</h2>\n");
        for (int i = 0; i < _report.Runs.Length; i++)
        {
            ReportRun run = _report.Runs[i];
            string name = $"{Bdi(run.Kernel.Length > 0 ? run.Kernel : run.Name)} <small>{(run.Kernel.Length > 0 ? Bdi(run.Name) : "")}</small>";
            if (run.KernelLog is not { Length: > 0 } log)
            {
                if (run.KernelLogFile is { } elsewhere)
                    _to.Write($"<p>{name}: <code>{Bdi(elsewhere)}</code></p>\n");
                continue;
            }

            _to.Write($"<details class=\"item allowed\" id=\"log{i.ToString(CultureInfo.InvariantCulture)}\"><summary><span class=\"name\">{name}</span><span class=\"where\">{ReportText.Count(log.AsSpan().TrimEnd('\n').Count('\n') + 1, "line")}</span></summary><div class=\"body\"><p class=\"needs-js\"><label><input type=\"checkbox\" class=\"severe\"> warnings and errors only</label></p>");
            if (run.KernelLogFile is { } file)
                _to.Write($"<p>the whole log: <code>{Bdi(file)}</code></p>");
            if (log.Length > LogHead + LogTail)
            {
                WriteLog(ReportText.Head(log, LogHead), "beginning of the kernel log");
                WriteLog(log[^LogTail..], "end of the kernel log");
            }
            else
            {
                WriteLog(log, "kernel log");
            }

            _to.Write("</div></details>\n");
        }

        _to.Write("</section>\n");
    }

    // Lines that say nothing special are one element for as many as there are in a row.
    private void WriteLog(string log, string label)
    {
        var lines = new KernelLogLines();
        _to.Write($"<pre class=\"log\" tabindex=\"0\" aria-label=\"{label}\">");
        bool plain = false;
        foreach (string raw in log.TrimEnd('\n').Split('\n'))
        {
            (KernelLogTone tone, string prefix, string text) = lines.Next(HtmlText.WithoutSequences(raw.TrimEnd('\r')));
            bool quiet = tone is KernelLogTone.Plain or KernelLogTone.Dim or KernelLogTone.Good;
            if (quiet != plain)
            {
                _to.Write(quiet ? "<span class=\"p\">" : "</span>");
                plain = quiet;
            }

            if (prefix.Length > 0)
                _to.Write($"<i>{E(prefix)}</i>");
            string? kind = tone switch { KernelLogTone.Error => "e", KernelLogTone.Warning => "w", KernelLogTone.Trace => "t", KernelLogTone.Good => "g", KernelLogTone.Dim => "d", _ => null };
            _to.Write(kind is null ? E(text) : $"<span class=\"{kind}\">{E(text)}</span>");
            _to.Write('\n');
        }

        _to.Write(plain ? "</span></pre>\n" : "</pre>\n");
    }

    private string Take(string text, bool failed, bool tail)
    {
        int most = Math.Min(MostText, failed ? _failureBudget : _outputBudget);
        string cut = tail ? ReportText.Tail(text, most) : ReportText.Head(text, most);
        if (failed)
            _failureBudget = Math.Max(0, _failureBudget - cut.Length);
        else
            _outputBudget = Math.Max(0, _outputBudget - cut.Length);
        return E(cut);
    }

    private static string Outcomes(ReportMatrix.Row row) => string.Join(',', row.Tests.Select(t => t?.Outcome.Words() ?? ""));

    private static string Verdict(bool good) => good ? "<span class=\"verdict passed\">✓ passed</span>" : "<span class=\"verdict failed\">✗ failed</span>";

    private static string Chip(ReportOutcome outcome, string kernel) =>
        $"<span class=\"chip {Class(outcome)}\">{Symbol(outcome)} {(kernel.Length > 0 ? $"{Bdi(kernel)}<span class=\"vh\">: {outcome.Words()}</span>" : outcome.Words())}</span>";

    private static string Class(ReportOutcome outcome) => outcome.Words().Replace(' ', '-');

    private static string BarClass(ReportOutcome outcome) => outcome switch
    {
        ReportOutcome.Passed => "passed",
        ReportOutcome.ExpectedFailure => "expected",
        _ => outcome.IsFailure() ? "bad" : "skipped",
    };

    // Told apart without colours.
    private static string Symbol(ReportOutcome outcome) => outcome switch
    {
        ReportOutcome.Passed => "✓",
        ReportOutcome.Failed => "✗",
        ReportOutcome.Skipped => "»",
        ReportOutcome.NotRun => "–",
        ReportOutcome.Crashed => "⊗",
        ReportOutcome.TimedOut => "◷",
        ReportOutcome.ExpectedFailure => "≈",
        _ => "!",
    };

    private static string E(string text) => HtmlText.Of(text);

    // What a test is called cannot turn the text around it.
    private static string Bdi(string text) => $"<bdi>{HtmlText.Of(text)}</bdi>";

    private static string Resource(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Uml.CI.Html.{name}")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
