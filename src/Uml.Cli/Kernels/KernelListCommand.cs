using System.CommandLine;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel list</c>: what is in the store.</summary>
internal static class KernelListCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("list", "Show the kernels of the store") { json };
        command.SetAction((result, _) => Task.FromResult(List(result.GetValue(json))));
        HelpText.Describe(command, "uml kernel list [--json]");
        return command;
    }

    private static int List(bool asJson)
    {
        var store = new KernelStore();
        IReadOnlyList<StoredKernel> kernels = store.List();
        if (asJson)
        {
            Json.Print(json => Write(json, kernels));
            return 0;
        }

        if (kernels.Count == 0)
        {
            Message.Note($"no kernels in {store.Root}; fetch one with \"uml kernel pull\"");
            return 0;
        }

        Table.Write([
            ["REFERENCE", "RELEASE", "PACKAGE", "PROFILE", "SIZE", "FETCHED", "USED", "SHA-256"],
            .. kernels.Select(k => (string[])[
                k.References.Count > 0 ? string.Join(' ', k.References) : "-", k.Release, k.PackageVersion ?? "-",
                k.Profiles.Count > 0 ? string.Join(',', k.Profiles) : "-", Size.Format(k.Size), Day(k.Fetched), Day(k.LastUsed), k.Sha256[..12]]),
        ]);
        return 0;
    }

    private static string Day(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd");

    private static void Write(Utf8JsonWriter json, IReadOnlyList<StoredKernel> kernels)
    {
        json.WriteStartArray();
        foreach (StoredKernel kernel in kernels)
        {
            json.WriteStartObject();
            json.WriteString("release", kernel.Release);
            json.WriteString("sha256", kernel.Sha256);
            json.WriteStartArray("references");
            foreach (string reference in kernel.References)
                json.WriteStringValue(reference);
            json.WriteEndArray();
            json.WriteString("origin", kernel.Origin);
            json.WriteStartArray("profiles");
            foreach (string profile in kernel.Profiles)
                json.WriteStringValue(profile);
            json.WriteEndArray();
            json.WriteString("package", kernel.PackageVersion);
            json.WriteString("contentHash", kernel.ContentHash);
            json.WriteString("directory", kernel.Directory);
            json.WriteNumber("size", kernel.Size);
            json.WriteString("fetched", kernel.Fetched);
            json.WriteString("lastUsed", kernel.LastUsed);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
