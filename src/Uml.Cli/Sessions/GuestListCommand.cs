using System.CommandLine;
using System.Globalization;

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
            Json.Print(json =>
            {
                json.WriteStartArray();
                foreach ((SessionDirectory guest, SessionRecord? record, SessionEnd? end) in all)
                {
                    json.WriteStartObject();
                    json.WriteString("name", guest.Name);
                    json.WriteString("state", State(record, end));
                    if (end is not null)
                        json.WriteString("error", end.Error);
                    if (record is not null)
                    {
                        json.WriteString("kernel", record.Kernel);
                        json.WriteString("release", record.Release);
                        json.WriteString("root", record.Root);
                        json.WriteNumber("processId", record.ProcessId);
                        json.WriteString("started", record.Started);
                        json.WriteString("kernelLog", record.KernelLogFile);
                    }

                    json.WriteEndObject();
                }

                json.WriteEndArray();
            });
            return;
        }

        if (all.Length == 0)
        {
            Message.Note("no guests are kept; start one with \"uml guest start\"");
            return;
        }

        Table.Write([
            ["NAME", "KERNEL", "RELEASE", "ROOT", "STARTED", "STATE"],
            .. all.Select(g => (string[])[
                g.Guest.Name, g.Record?.Kernel ?? "-", g.Record?.Release ?? "-", g.Record?.Root ?? "-",
                g.Record?.Started.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "-",
                g.End is { } end ? $"{State(g.Record, end)}: {end.Error}" : State(g.Record, null)]),
        ]);
    }

    private static string State(SessionRecord? record, SessionEnd? end) => end is not null ? "ended" : record is null ? "booting" : "running";
}
