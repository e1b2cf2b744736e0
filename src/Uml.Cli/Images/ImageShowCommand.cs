using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image show</c>: one image.</summary>
internal static class ImageShowCommand
{
    public static Command Create()
    {
        Argument<string> name = ImageCommand.One();
        var command = new Command("show", "Show where an image comes from and what went into it") { name };
        command.SetAction((result, _) => Task.FromResult(Show(result.GetValue(name)!)));
        HelpText.Describe(command, "uml image show IMAGE");
        return command;
    }

    private static int Show(string name)
    {
        StoredImage image = new ImageStore().FindStored(name);
        ImageRecord record = image.Record;
        (string Name, string? Value)[] lines =
        [
            ("references", image.References.Count > 0 ? string.Join(' ', image.References) : "none"),
            ("from", record.Origin),
            .. record.Inputs.Select(i => (i.Key, (string?)i.Value)),
            ("file system", record.FileSystem),
            ("size", $"{Size.Format(image.Size)} of {Size.Format(record.ContentSize)} in {record.Entries} files"),
            ("attributes", record.AttributesSize > 0 ? "kept beside the image, for kernels without CONFIG_SQUASHFS_XATTR" : null),
            ("environment", record.Environment.Count > 0 ? ShellText.Join(record.Environment) : null),
            ("user", record.User),
            ("directory", record.WorkingDirectory),
            ("command", record.Command.Count > 0 ? ShellText.Join(record.Command) : null),
            ("made", record.Created.ToLocalTime().ToString("yyyy-MM-dd HH:mm")),
            ("last used", image.LastUsed.ToLocalTime().ToString("yyyy-MM-dd HH:mm")),
            ("stored in", image.Directory),
            ("SHA-256", record.Sha256),
        ];
        foreach ((string label, string? value) in lines.Where(l => !string.IsNullOrEmpty(l.Value)))
            Descriptor.Output.WriteLine($"{label,-15} {value}");
        return 0;
    }
}
