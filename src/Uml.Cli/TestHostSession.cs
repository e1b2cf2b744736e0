using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>A run of a program that was started by the .NET SDK and speaks with it.</summary>
internal static class TestHostSession
{
    private const string PipeOption = "--dotnet-test-pipe";

    /// <summary>Runs it and returns the exit status.</summary>
    /// <exception cref="IOException">The results directory cannot be made.</exception>
    public static async Task<int> RunAsync(RunRequest request)
    {
        RunRequest adapted = Adapt(request);
        // Only what is there can be shared. Not removed again if it stays empty: another run may just have found it.
        if (adapted.ResultsDirectory is { } results)
            Directory.CreateDirectory(results);
        return await RunSession.RunAsync(adapted);
    }

    /// <summary>Finds in the program's arguments what of the host it needs.</summary>
    internal static RunRequest Adapt(RunRequest request)
    {
        ImmutableArray<string> command = request.Command;
        request = request with
        {
            EndsWithParent = true,
            // A solution's test projects run side by side.
            WaitsForRoom = true,
            // The build has fetched the kernel; tests and their deadlines do not wait for downloads.
            Offline = true,
            Guest = request.Guest with { Environment = TestEnvironment.Runtime.SetItems(request.Guest.Environment) },
        };
        string? pipe = TestPlatformOption.ValueOf(command, PipeOption);
        if (pipe is null)
            return request;
        string results = Path.GetFullPath(TestPlatformOption.ValueOf(command, TestPlatformOption.ResultsDirectory) ?? DefaultResults(command));
        GuestOptions guest = request.Guest;
        return request with
        {
            TestPlatformSocket = pipe,
            ResultsDirectory = results,
            Guest = guest with { Mounts = guest.Mounts.Add(new GuestMount(results, results, MountMode.ReadWrite)) },
            // The platform does not read it, and the SDK's own would be used up.
            NoInput = true,
        };
    }

    // The platform's default is beside the assembly; "dotnet exec X.dll" is the other way to start one.
    private static string DefaultResults(ImmutableArray<string> command)
    {
        string program = command is [_, "exec", { } assembly, ..] ? assembly : command[0];
        return Path.Combine(Path.GetDirectoryName(Path.GetFullPath(program))!, "TestResults");
    }
}
