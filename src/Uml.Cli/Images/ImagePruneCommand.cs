using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image prune</c>: what is not used goes.</summary>
internal static class ImagePruneCommand
{
    private static readonly TimeSpan DefaultAge = TimeSpan.FromDays(30);
    private static readonly TimeSpan LongestAge = TimeSpan.FromDays(36500);

    public static Command Create()
    {
        var unused = new Option<TimeSpan?>("--unused-for")
        {
            HelpName = "TIME",
            Description = "What was not asked for since that long: 30d, 12h, 8w. Default: 30d, unless --max-size is given",
            CustomParser = result =>
            {
                if (Duration.Parse(result.Tokens[0].Value, out string problem, LongestAge) is { } time)
                    return time;
                result.AddError(problem);
                return null;
            },
        };
        var size = new Option<long?>("--max-size")
        {
            HelpName = "SIZE",
            Description = "The longest unused, until the store takes no more than that: 500M, 2G",
            CustomParser = result =>
            {
                try
                {
                    return result.Tokens[0].Value.Trim() == "0" ? 0 : ByteSize.Parse(result.Tokens[0].Value);
                }
                catch (FormatException e)
                {
                    result.AddError(e.Message);
                    return null;
                }
            },
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only say what would be removed" };
        var command = new Command("prune", "Remove images that were not used for long") { unused, size, dryRun };
        command.SetAction((result, cancellation) => PruneAsync(result.GetValue(unused), result.GetValue(size), result.GetValue(dryRun), cancellation));
        HelpText.Describe(command, "uml image prune [options]", """
            Examples:
              uml image prune                      # what was not used for 30 days
              uml image prune --max-size 2G --dry-run

            What was used within the last hour stays. What was made by "uml image build" can be made again.
            """);
        return command;
    }

    private static async Task<int> PruneAsync(TimeSpan? unused, long? size, bool dryRun, CancellationToken cancellationToken)
    {
        var store = new ImageStore();
        var options = new KernelPruneOptions { UnusedFor = unused ?? (size is null ? DefaultAge : null), MaximumSize = size, DryRun = dryRun };
        IReadOnlyList<PrunedItem> gone = await store.PruneAsync(options, cancellationToken);
        string verb = dryRun ? "would remove" : "removed";
        foreach (PrunedItem item in gone)
            Descriptor.Output.WriteLine($"{verb} {item.Name}, {Size.Format(item.Size)}, last used {item.LastUsed.ToLocalTime():yyyy-MM-dd}");
        Descriptor.Output.WriteLine($"{Size.Format(gone.Sum(i => i.Size))} {(dryRun ? "would be freed" : "freed")}; the store takes {Size.Format(store.List().Sum(i => i.Size))}");
        return 0;
    }
}
