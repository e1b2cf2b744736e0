using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml guest log</c>: the kernel's log of a kept guest.</summary>
internal static class GuestLogCommand
{
    private const int FollowInterval = 100;

    public static Command Create()
    {
        Argument<string> name = GuestCommand.NameArgument();
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the guest ends" };
        var command = new Command("log", "Print the kernel log of a guest that was started before") { name, follow };
        command.SetAction((result, cancellation) => PrintAsync(result.GetValue(name)!, result.GetValue(follow), cancellation));
        HelpText.Describe(command, "uml guest log [--follow] NAME");
        return command;
    }

    private static async Task<int> PrintAsync(string name, bool follow, CancellationToken cancellationToken)
    {
        if (SessionDirectory.ProblemWith(name) is { } problem)
            throw new ArgumentException(problem);
        SessionDirectory guest = SessionDirectory.Of(name);
        string? path = guest.ReadRecord()?.KernelLogFile;
        if (path is null && !File.Exists(path = guest.KernelLogFile))
            throw new ArgumentException($"there is no guest \"{name}\"; \"uml guest list\" shows those there are");
        using var log = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            // Asked first: what is written until the end is read after it.
            bool more = follow && guest.IsHeld;
            int n;
            while ((n = log.Read(buffer)) > 0)
            {
                if (Descriptor.Output.Write(buffer.AsSpan(0, n)) != 0)
                    return 0;
            }

            if (!more)
                return 0;
            await Task.Delay(FollowInterval, cancellationToken);
        }
    }
}
