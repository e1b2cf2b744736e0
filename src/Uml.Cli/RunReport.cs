using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary>What <c>--json</c> writes. The file is opened before the boot, so that a run is not spent on a report that cannot be written.</summary>
internal sealed class RunReport : IDisposable
{
    private const int FormatVersion = 1;
    private readonly FileStream _file;

    private RunReport(FileStream file) => _file = file;

    /// <summary>The facts of a run; what is null was not reached.</summary>
    public sealed record Facts(RunRequest Request, Outcome Outcome, Guest? Guest, TimeSpan Command, TimeSpan Shutdown, TimeSpan Total)
    {
        public ImmutableArray<KernelComplaint> Reports { get; init; } = [];

        public IReadOnlyList<(CopyOut Copy, string? Error)> Copies { get; init; } = [];

        /// <summary>What the kernel complained of, where somebody asked.</summary>
        public ComplaintVerdict? Verdict { get; init; }
    }

    /// <summary>Opens the file.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static RunReport Open(string path) => new(OutputFile.Create(path, "--json"));

    /// <summary>Writes the report.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(Facts facts)
    {
        using (var json = new Utf8JsonWriter(_file, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteNumber("version", FormatVersion);
            json.WriteString("outcome", facts.Outcome.Name);
            json.WriteNumber("exitStatus", facts.Outcome.ExitStatus);
            if (facts.Outcome.Signal is { } signal)
                json.WriteNumber("signal", signal);
            if (facts.Outcome.Error is { } error)
                json.WriteString("error", error);
            if (facts.Outcome.Detail.Length > 0)
                json.WriteString("detail", facts.Outcome.Detail);
            Json.WriteStrings(json, "command", facts.Request.Command);
            WriteGuest(json, facts);
            WriteTimings(json, facts);
            if (facts.Request.Guest.KernelLogFile is { } log)
                json.WriteString("kernelLog", Path.GetFullPath(log));
            else if (facts.Outcome.KernelLogFile is { } kept)
                json.WriteString("kernelLog", kept);
            WriteReports(json, facts.Reports);
            if (facts.Verdict is { } verdict)
            {
                ComplaintJson.Write(json, verdict.ForReport(), int.MaxValue);
                Json.WriteStrings(json, "problems", verdict.Problems);
            }

            WriteCopies(json, facts.Copies);
            json.WriteEndObject();
        }

        _file.WriteByte((byte)'\n');
        _file.Flush();
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static void WriteGuest(Utf8JsonWriter json, Facts facts)
    {
        GuestOptions options = facts.Request.Guest;
        json.WriteStartObject("kernel");
        json.WriteString("reference", options.Kernel.ToString());
        if (facts.Guest is { } running)
        {
            json.WriteString("release", running.Release);
            json.WriteString("path", running.Kernel.ExecutablePath);
            json.WriteString("sha256", running.Kernel.Sha256);
            if (running.Kernel.PackageVersion is { } package)
                json.WriteString("package", package);
        }

        json.WriteEndObject();
        json.WriteStartObject("guest");
        json.WriteString("root", options.Root.ToString());
        json.WriteNumber("memory", options.Memory);
        json.WriteNumber("cpus", options.Cpus);
        if (facts.Guest is { } guest)
        {
            json.WriteString("confinement", guest.Confinement);
            Json.WriteStrings(json, "warnings", guest.Warnings);
        }

        json.WriteEndObject();
    }

    private static void WriteTimings(Utf8JsonWriter json, Facts facts)
    {
        json.WriteStartObject("milliseconds");
        if (facts.Guest is { } guest)
        {
            WriteTime(json, "plan", guest.Timings.Plan);
            WriteTime(json, "spawn", guest.Timings.Spawn);
            WriteTime(json, "kernel", guest.Timings.Kernel);
            WriteTime(json, "setup", guest.Timings.Setup);
            WriteTime(json, "command", facts.Command);
            WriteTime(json, "shutdown", facts.Shutdown);
        }

        WriteTime(json, "total", facts.Total);
        json.WriteEndObject();
    }

    private static void WriteReports(Utf8JsonWriter json, ImmutableArray<KernelComplaint> reports)
    {
        json.WriteStartArray("reports");
        foreach (KernelComplaint report in reports)
        {
            json.WriteStartObject();
            json.WriteString("kind", report.Kind.ToString());
            json.WriteString("title", report.Title);
            Json.WriteStrings(json, "lines", report.Lines);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteCopies(Utf8JsonWriter json, IReadOnlyList<(CopyOut Copy, string? Error)> copies)
    {
        json.WriteStartArray("copiedOut");
        foreach ((CopyOut copy, string? error) in copies)
        {
            json.WriteStartObject();
            json.WriteString("guest", copy.GuestPath);
            json.WriteString("host", Path.GetFullPath(copy.HostPath));
            if (error is not null)
                json.WriteString("error", error);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteTime(Utf8JsonWriter json, string name, TimeSpan time) => json.WriteNumber(name, Math.Round(time.TotalMilliseconds, 1));
}
