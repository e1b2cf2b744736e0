using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml doctor</c>: what this machine has and lacks for guests, found out by trying.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var offline = new Option<bool>("--offline") { Description = "Fetch no kernel: without one in the store, no guest is tried" };
        var command = new Command("doctor", "Find out whether this machine can run guests, and what to do if not") { json, offline };
        command.SetAction(async (result, cancellation) =>
        {
            bool asJson = result.GetValue(json);
            var doctor = new Doctor(asJson ? null : Print, result.GetValue(offline));
            Diagnosis diagnosis = await doctor.ExamineAsync(cancellation);
            if (asJson)
                PrintJson(diagnosis);
            else
                Descriptor.Output.WriteLine(diagnosis.CanRunGuests ? "\nThis machine runs guests." : "\nThis machine cannot run guests: see the lines that begin with FAIL.");
            return diagnosis.CanRunGuests ? 0 : ExitStatus.NotProvided;
        });
        HelpText.Describe(command, "uml doctor [--json] [--offline]", """
            Exit status: 0 if a guest could be run, else 125.
            """);
        return command;
    }

    private static void Print(Finding finding)
    {
        string grade = finding.Grade switch { Grade.Pass => "pass", Grade.Warning => "WARN", Grade.Fail => "FAIL", _ => "    " };
        Descriptor.Output.WriteLine($"{grade}  {finding.Name,-18} {finding.Detail}");
        if (finding.Remedy is { } remedy)
            Descriptor.Output.WriteLine($"{"",24} -> {remedy}");
    }

    private static void PrintJson(Diagnosis diagnosis)
    {
        Json.Print(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", 1);
            json.WriteBoolean("canRunGuests", diagnosis.CanRunGuests);
            json.WriteString("confinement", diagnosis.Confinement);
            json.WriteStartArray("checks");
            foreach (Finding finding in diagnosis.Findings)
            {
                json.WriteStartObject();
                json.WriteString("name", finding.Name);
                json.WriteString("grade", finding.Grade switch { Grade.Pass => "pass", Grade.Warning => "warn", Grade.Fail => "fail", _ => "info" });
                json.WriteString("detail", finding.Detail);
                if (finding.Remedy is { } remedy)
                    json.WriteString("remedy", remedy);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }
}
