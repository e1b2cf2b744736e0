using System.CommandLine;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel list</c>: what is in the store.</summary>
internal static class KernelListCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var available = new Option<bool>("--available", "-a") { Description = "Show what the feeds in NuGet.Config have, not what the store has" };
        var command = new Command("list", "Show the kernels of the store, or of the feeds") { available, json };
        command.SetAction((result, cancellation) => result.GetValue(available)
            ? ListAvailableAsync(result.GetValue(json), cancellation)
            : Task.FromResult(List(result.GetValue(json))));
        HelpText.Describe(command, "uml kernel list [--available] [--json]", """
            Exit status: 0; 125 if one of the feeds gives no answer.
            """);
        return command;
    }

    private static int List(bool asJson)
    {
        var store = new KernelStore();
        IReadOnlyList<StoredKernel> kernels = store.List();
        if (asJson)
        {
            Json.PrintArray(kernels, Write);
            return 0;
        }

        if (kernels.Count == 0)
        {
            Message.Note($"no kernels in {store.Root}; fetch one with \"uml kernel pull\"");
            return 0;
        }

        Table.Write(
            kernels,
            ("REFERENCE", k => k.References.Count > 0 ? string.Join(' ', k.References) : "-"),
            ("RELEASE", k => k.Release),
            ("PACKAGE", k => k.PackageVersion ?? "-"),
            ("PROFILE", k => Profiles(k.Profiles)),
            ("SIZE", k => Size.Format(k.Size)),
            ("FETCHED", k => Day(k.Fetched)),
            ("USED", k => Day(k.LastUsed)),
            ("SHA-256", k => k.Sha256[..12]));
        return 0;
    }

    private static async Task<int> ListAvailableAsync(bool asJson, CancellationToken cancellationToken)
    {
        FeedListing listing;
        using (var progress = new ProgressLine(TimeSpan.FromSeconds(1)))
            listing = await KernelFeeds.ListAsync(progress: progress, cancellationToken: cancellationToken);
        if (asJson)
            Json.PrintArray(listing.Kernels, Write);
        else if (listing.Kernels.Count == 0)
            Message.Note($"no packages {KernelReference.DefaultPackageId} on the feeds of NuGet.Config; \"dotnet nuget list source\" shows them");
        else
            Table.Write(
                listing.Kernels,
                ("REFERENCE", k => k.Reference.ToString()),
                ("PACKAGE", k => $"{k.PackageId} {k.Version}"),
                ("PROFILE", k => Profiles(k.Profiles)),
                ("SIZE", k => k.Size is { } size ? Size.Format(size) : "-"),
                ("PUBLISHED", k => k.Published is { } published ? Day(published) : "-"),
                ("FEED", k => k.Feed));
        foreach (string problem in listing.Problems)
            Message.Error(problem);
        return listing.Problems.Count == 0 ? 0 : ExitStatus.NotProvided;
    }

    private static void Write(Utf8JsonWriter json, FeedKernel kernel)
    {
        json.WriteString("reference", kernel.Reference.ToString());
        json.WriteString("package", kernel.PackageId);
        json.WriteString("version", kernel.Version);
        Json.WriteStrings(json, "profiles", kernel.Profiles);
        if (kernel.Size is { } size)
            json.WriteNumber("size", size);
        if (kernel.Published is { } published)
            json.WriteString("published", published);
        json.WriteString("feed", kernel.Feed);
        json.WriteString("location", kernel.Location);
    }

    private static void Write(Utf8JsonWriter json, StoredKernel kernel)
    {
        json.WriteString("release", kernel.Release);
        json.WriteString("sha256", kernel.Sha256);
        Json.WriteStrings(json, "references", kernel.References);
        json.WriteString("origin", kernel.Origin);
        Json.WriteStrings(json, "profiles", kernel.Profiles);
        json.WriteString("package", kernel.PackageVersion);
        json.WriteString("contentHash", kernel.ContentHash);
        json.WriteString("directory", kernel.Directory);
        json.WriteNumber("size", kernel.Size);
        json.WriteString("fetched", kernel.Fetched);
        json.WriteString("lastUsed", kernel.LastUsed);
    }

    private static string Profiles(IReadOnlyCollection<string> profiles) => profiles.Count > 0 ? string.Join(',', profiles) : "-";

    private static string Day(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd");
}
