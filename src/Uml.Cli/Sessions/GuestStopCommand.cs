using System.CommandLine;
using System.Net.Sockets;

namespace Uml.CI.Cli;

/// <summary><c>uml guest stop</c>: ends guests that are kept.</summary>
internal static class GuestStopCommand
{
    // An orderly power-off takes two seconds at most, and what is left of it less.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static Command Create()
    {
        var names = new Argument<string[]>("NAME") { Arity = ArgumentArity.ZeroOrMore, Description = "The guests" };
        names.CompletionSources.Add(_ => SessionDirectory.All().Select(d => new System.CommandLine.Completions.CompletionItem(d.Name)));
        var all = new Option<bool>("--all", "-a") { Description = "End all of them" };
        var command = new Command("stop", "End guests that were started before") { names, all };
        command.SetAction(async (result, cancellation) =>
        {
            string[] given = result.GetValue(names) ?? [];
            if (given.Length == 0 == !result.GetValue(all))
                throw new ArgumentException("name the guests to end, or give --all");
            foreach (string problem in given.Select(SessionDirectory.ProblemWith).OfType<string>())
                throw new ArgumentException(problem);
            bool[] ended = await Task.WhenAll((given.Length > 0 ? given.Select(SessionDirectory.Of) : SessionDirectory.All()).Select(g => StopAsync(g, cancellation)));
            return ended.All(e => e) ? 0 : ExitStatus.NotProvided;
        });
        HelpText.Describe(command, "uml guest stop NAME...|--all", """
            Exit status: 0; 125 if there is no such guest, or it could not be ended.
            """);
        return command;
    }

    private static async Task<bool> StopAsync(SessionDirectory guest, CancellationToken cancellationToken)
    {
        if (!guest.IsHeld)
        {
            if (await guest.RemoveAsync(cancellationToken))
                return true;
            Message.Error($"there is no guest \"{guest.Name}\"");
            return false;
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Patience);
        try
        {
            using var stream = new NetworkStream(guest.Connect(), ownsSocket: true);
            SessionMessages.Write(stream, new SessionRequest { Verb = SessionRequest.Stop }, SessionJson.Default.SessionRequest);
            // The end of the connection is the end of the guest.
            await stream.CopyToAsync(Stream.Null, deadline.Token);
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // It boots, ends by itself, or is stuck. The lock says whether it is there, and the guest does not outlive it.
            const int KillSignal = 9;
            if (guest.ReadRecord() is { } record && e is OperationCanceledException && guest.IsHeld)
                Native.Kill(record.ProcessId, KillSignal);
        }

        for (int i = 0; i < 100 && guest.IsHeld; i++)
            await Task.Delay(50, cancellationToken);
        if (guest.IsHeld)
        {
            Message.Error($"the guest \"{guest.Name}\" is still booting: try again, or end the \"uml guest start\" that waits for it");
            return false;
        }

        await guest.RemoveAsync(cancellationToken);
        return true;
    }
}
