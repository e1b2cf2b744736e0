using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary><c>uml guest list</c>: the guests that are kept.</summary>
internal static class GuestListCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("list", "Show the guests that are kept, and those that ended unasked") { json };
        command.SetAction((result, _) =>
        {
            List(result.GetValue(json));
            return Task.FromResult(0);
        });
        HelpText.Describe(command, "uml guest list [--json]");
        return command;
    }

    private static void List(bool asJson)
    {
        (SessionDirectory Guest, SessionRecord? Record, SessionEnd? End)[] all =
            [.. SessionDirectory.All().Select(d => (d, d.ReadRecord(), d.IsHeld ? null : d.ReadEnd()))];
        if (asJson)
        {
            Json.PrintArray(all, Write);
            return;
        }

        if (all.Length == 0)
        {
            Message.Note("no guests are kept; start one with \"uml guest start\"");
            return;
        }

        Table.Write(
            all,
            ("NAME", g => g.Guest.Name),
            ("KERNEL", g => g.Record?.Kernel ?? "-"),
            ("RELEASE", g => g.Record?.Release ?? "-"),
            ("ROOT", g => g.Record?.Root ?? "-"),
            ("STARTED", g => g.Record?.Started.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "-"),
            ("STATE", g => g.End is { } end ? $"{State(g.Record, end)}: {end.Error}" : State(g.Record, null)));
    }

    private static void Write(Utf8JsonWriter json, (SessionDirectory Guest, SessionRecord? Record, SessionEnd? End) kept)
    {
        json.WriteString("name", kept.Guest.Name);
        json.WriteString("state", State(kept.Record, kept.End));
        if (kept.End is { } end)
            json.WriteString("error", end.Error);
        if (kept.Record is not { } record)
            return;
        json.WriteString("kernel", record.Kernel);
        json.WriteString("release", record.Release);
        json.WriteString("root", record.Root);
        json.WriteNumber("processId", record.ProcessId);
        json.WriteString("started", record.Started);
        json.WriteString("kernelLog", record.KernelLogFile);
    }

    private static string State(SessionRecord? record, SessionEnd? end) => end is not null ? "ended" : record is null ? "booting" : "running";
}
