using System.Diagnostics;

namespace Uml.CI.Packages.Tests;

/// <summary>The dotnet command as a user runs it.</summary>
internal static class Dotnet
{
    public static Task<string> RunAsync(Feed feed, string directory, params string[] arguments) => RunAsync(feed, directory, arguments, []);

    /// <summary>Runs it to its end, which has to be a good one; returns what it said.</summary>
    public static async Task<string> RunAsync(Feed feed, string directory, string[] arguments, (string Name, string Value)[] environment)
    {
        (int status, string output) = await TryAsync(feed, "dotnet", directory, arguments, environment);
        Assert.True(status == 0, $"dotnet {string.Join(' ', arguments)}: {status}\n{output}");
        return output;
    }

    public static async Task<(int Status, string Output)> TryAsync(Feed feed, string program, string directory, string[] arguments, params (string Name, string Value)[] environment)
    {
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What the SDK and the platform that run these tests tell their children is not for this one.
        foreach (string variable in start.Environment.Keys.Where(IsRunners).ToArray())
            start.Environment.Remove(variable);
        start.Environment["NUGET_PACKAGES"] = feed.Cache;
        start.Environment["UML_REQUIRED"] = "1";
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["UseSharedCompilation"] = "false";
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;

        using Process process = Process.Start(start)!;
        try
        {
            string[] output = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancelled), process.StandardError.ReadToEndAsync(cancelled));
            await process.WaitForExitAsync(cancelled);
            return (process.ExitCode, string.Concat(output));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static bool IsRunners(string variable) =>
        variable.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || variable.StartsWith("TESTINGPLATFORM", StringComparison.Ordinal);
}
