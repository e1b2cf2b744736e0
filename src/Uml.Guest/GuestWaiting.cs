using System.Globalization;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>Waits for what happens in a guest.</summary>
public static class GuestWaiting
{
    private static readonly TimeSpan UnitInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>Waits until a path exists in the guest. Needs no program in the guest.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="path">Absolute path in the guest.</param>
    /// <param name="timeout">How long; null for the guest's <see cref="GuestOptions.CommandTimeout"/>, which is for ever unless it was set.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="GuestTimeoutException">It is not there in time.</exception>
    /// <exception cref="ExecException">The path is not absolute.</exception>
    public static Task WaitForFileAsync(this Guest guest, string path, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        WaitAsync(guest, new AwaitMessage(AwaitedKind.File, path), $"{path} did not appear in the guest", timeout, cancellationToken);

    /// <summary>Waits until a program of the guest listens at a TCP port, on any address. Needs no program in the guest to look.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="port">The port, 1 to 65535.</param>
    /// <param name="timeout">How long; null for the guest's <see cref="GuestOptions.CommandTimeout"/>, which is for ever unless it was set.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="GuestTimeoutException">Nobody listens there in time.</exception>
    public static Task WaitForPortAsync(this Guest guest, int port, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, ushort.MaxValue);
        return WaitAsync(guest, new AwaitMessage(AwaitedKind.TcpPort, port.ToString(CultureInfo.InvariantCulture)), $"nobody listened at TCP port {port} of the guest", timeout, cancellationToken);
    }

    /// <summary>Waits until a unit of systemd is active. One that failed, or that nobody is about to start, ends the wait at once.</summary>
    /// <param name="guest">A guest whose init is systemd.</param>
    /// <param name="unit">The unit's name, such as <c>nginx.service</c>.</param>
    /// <param name="timeout">How long; null for the guest's <see cref="GuestOptions.CommandTimeout"/>, which is for ever unless it was set.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="GuestUnitException">It will not become active; the message ends with its journal.</exception>
    /// <exception cref="GuestTimeoutException">It is not active in time.</exception>
    public static async Task WaitForUnitAsync(this Guest guest, string unit, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ArgumentException.ThrowIfNullOrEmpty(unit);
        TimeSpan? patience = timeout ?? guest.Options.CommandTimeout;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(patience ?? Timeout.InfiniteTimeSpan);
        try
        {
            while (true)
            {
                Dictionary<string, string> shown = await SystemBoot.ShowAsync(guest, unit, deadline.Token, "LoadState", "ActiveState", "SubState", "Result", "Job");
                string active = shown.GetValueOrDefault("ActiveState", "");
                if (active == "active")
                    return;
                string? problem = (shown.GetValueOrDefault("LoadState", ""), active) switch
                {
                    ("", _) => "systemd does not answer in this guest (start it with systemd as its init)",
                    ("not-found", _) => "there is no such unit",
                    ("masked", _) => "it is masked",
                    (_, "failed") => $"it failed ({shown.GetValueOrDefault("Result", "")})",
                    (_, "inactive") when shown.GetValueOrDefault("Job", "").Length == 0 => "it is inactive and nothing is about to start it",
                    _ => null,
                };
                if (problem is not null)
                {
                    string journal = await SystemBoot.JournalAsync(guest, unit, deadline.Token);
                    throw new GuestUnitException($"{unit} is not active: {problem}{(journal.Length > 0 ? $"\nEnd of its journal:\n{journal}" : "")}") { Unit = unit, Journal = journal, Summary = $"{unit} is not active: {problem}" };
                }

                await Task.Delay(UnitInterval, deadline.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw await guest.TimeoutAsync($"{unit} was not active within {GuestProcess.Format(patience!.Value)}", await guest.InspectAsync(CancellationToken.None));
        }
    }

    private static async Task WaitAsync(Guest guest, AwaitMessage message, string what, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(guest);
        TimeSpan? patience = timeout ?? guest.Options.CommandTimeout;
        ChannelStream stream = guest.OpenStream();
        stream.Send(FrameType.Await, message.Encode);
        try
        {
            await stream.Exited.WaitAsync(patience ?? Timeout.InfiniteTimeSpan, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw await guest.TimeoutAsync($"{what} within {GuestProcess.Format(patience!.Value)}", await guest.InspectAsync(CancellationToken.None));
        }
        finally
        {
            // The guest stops looking.
            if (!stream.Exited.IsCompleted)
                await stream.Input.DisposeAsync();
        }
    }
}
