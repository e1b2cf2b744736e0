using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image list</c>: what is in the store.</summary>
internal static class ImageListCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("list", "Show the images of the store") { json };
        command.SetAction((result, _) => Task.FromResult(List(result.GetValue(json))));
        HelpText.Describe(command, "uml image list [--json]");
        return command;
    }

    private static int List(bool asJson)
    {
        var store = new ImageStore();
        IReadOnlyList<StoredImage> images = store.List();
        if (asJson)
        {
            Json.Print(json =>
            {
                json.WriteStartArray();
                foreach (StoredImage image in images)
                {
                    json.WriteStartObject();
                    json.WriteStartArray("references");
                    foreach (string reference in image.References)
                        json.WriteStringValue(reference);
                    json.WriteEndArray();
                    json.WriteString("sha256", image.Record.Sha256);
                    json.WriteString("origin", image.Record.Origin);
                    json.WriteString("fileSystem", image.Record.FileSystem);
                    json.WriteNumber("size", image.Size);
                    json.WriteNumber("contentSize", image.Record.ContentSize);
                    json.WriteString("directory", image.Directory);
                    json.WriteString("created", image.Record.Created);
                    json.WriteString("lastUsed", image.LastUsed);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            });
            return 0;
        }

        if (images.Count == 0)
        {
            Message.Note($"no images in {store.Root}; make one with \"uml image build debian:trixie\"");
            return 0;
        }

        Table.Write([
            ["REFERENCE", "FROM", "SIZE", "CONTENT", "MADE", "USED", "SHA-256"],
            .. images.Select(i => (string[])[
                i.References.Count > 0 ? string.Join(' ', i.References) : "-", i.Record.Origin, Size.Format(i.Size), Size.Format(i.Record.ContentSize),
                Day(i.Record.Created), Day(i.LastUsed), i.Record.Sha256[..12]]),
        ]);
        return 0;
    }

    private static string Day(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd");
}
