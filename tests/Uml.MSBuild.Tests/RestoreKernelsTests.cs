using System.Diagnostics;
using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>The kernels a project needs are there after its build.</summary>
public sealed class RestoreKernelsTests
{
    [Theory]
    [InlineData("""<UmlKernel Include="debian:nosuch" />""", "")]
    [InlineData("""<UmlGuestCommand Include="true" Kernel="debian:nosuch" />""", "")]
    [InlineData("", "-p:UmlKernel=debian:nosuch")]
    [InlineData("", "-p:UmlRestoreDefaultKernel=true")]
    public async Task What_is_needed_is_asked_of_the_host(string items, string argument)
    {
        // A host whose apt can do nothing.
        using Build build = Without("exit 1").With("UML_KERNEL", "debian:nosuch").With("UML_REQUIRED", "1");
        string project = build.WriteProject(items);

        build.StartBuild("test.proj", argument.Length > 0 ? [argument] : []);

        Assert.Equal(1, await build.WaitAsync());
        Assert.True(build.Output.Contains($"{project} : error UML0008: debian:nosuch ", StringComparison.Ordinal), build.Output);
    }

    [Theory]
    [InlineData("""<UmlImage Include="debian:nosuch" />""", "error UML0012: debian:nosuch ")]
    [InlineData("""<UmlImage Include="debian:NoSuch" />""", "error UML0009: The root 'debian:NoSuch' ")]
    [InlineData("""<UmlImage Include="image:nosuch" Packages="curl" />""", "error UML0009: image:nosuch ")]
    public async Task Images_are_asked_of_the_host(string items, string error)
    {
        using Build build = Without("exit 1");
        string project = build.WriteProject(items);

        build.StartBuild();

        Assert.Equal(1, await build.WaitAsync());
        Assert.True(build.Output.Contains($"{project} : {error}", StringComparison.Ordinal), build.Output);
    }

    [Fact]
    public async Task A_default_kernel_that_cannot_be_had_is_a_warning_for_its_tests_are_skipped()
    {
        using Build build = Without("exit 1").With("UML_KERNEL", "debian:nosuch").With("UML_REQUIRED", "");
        string project = build.WriteProject("");

        build.StartBuild("test.proj", "-p:UmlRestoreDefaultKernel=true");

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.True(build.Output.Contains($"{project} : warning UML0008: debian:nosuch ", StringComparison.Ordinal), build.Output);
    }

    [Fact]
    public async Task What_is_there_takes_nothing_and_says_nothing()
    {
        using Build build = Without("exit 1", emptyStore: false);
        build.WriteProject("""<UmlKernel Include="debian:sid;debian:bookworm" />""");

        build.StartBuild();

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.DoesNotContain("Kernel:", build.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lock_file_pins_and_is_obeyed()
    {
        using Build build = Without("exit 1", emptyStore: false);
        build.WriteProject("""<UmlKernel Include="debian:sid" />""");
        File.WriteAllText(build["uml.lock.json"], """{ "version": 1, "kernels": {} }""");

        build.StartBuild();
        Assert.True(await build.WaitAsync() == 0, build.Output);
        string pins = await File.ReadAllTextAsync(build["uml.lock.json"], TestContext.Current.CancellationToken);
        Assert.Contains("debian:sid", pins, StringComparison.Ordinal);

        // For tests, which look beside themselves.
        build.StartBuild("test.proj", $"-p:OutDir={build["bin"]}/");
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Equal(pins, await File.ReadAllTextAsync(build["bin/uml.lock.json"], TestContext.Current.CancellationToken));
        File.Move(build["uml.lock.json"], build["pins.json"]);
        build.StartBuild("test.proj", $"-p:OutDir={build["bin"]}/", "-p:UmlLockFile=pins.json");
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Equal(pins, await File.ReadAllTextAsync(build["bin/uml.lock.json"], TestContext.Current.CancellationToken));
        build.StartBuild("test.proj", $"-p:OutDir={build["bin"]}/");
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.False(File.Exists(build["bin/uml.lock.json"]), "what is no longer pinned must not stay so for the tests");
        File.Move(build["pins.json"], build["uml.lock.json"]);

        // Another kernel than the store has, and the host cannot get it.
        File.WriteAllText(build["uml.lock.json"], System.Text.RegularExpressions.Regex.Replace(pins, "[0-9a-f]{64}", new string('0', 64)));
        build.StartBuild();
        Assert.Equal(1, await build.WaitAsync());
        Assert.True(build.Output.Contains("error UML0008: debian:sid ", StringComparison.Ordinal), build.Output);

        File.WriteAllText(build["uml.lock.json"], "{");
        build.StartBuild();
        Assert.Equal(1, await build.WaitAsync());
        Assert.Contains("error UML0010: The lock file ", build.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_ends_a_download()
    {
        using Build build = Without("""echo "$$" > "$UML_TEST_PID"; exec sleep 1000""");
        build.With("UML_TEST_PID", build["pid"]);
        build.WriteProject("""<UmlKernel Include="debian:nosuch" />""");

        build.StartBuild();
        while (!File.Exists(build["pid"]) || File.ReadAllText(build["pid"]) is not [.., '\n'])
        {
            Assert.DoesNotContain("error", build.Output, StringComparison.Ordinal);
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        int download = int.Parse(File.ReadAllText(build["pid"]));
        build.Signal("INT");

        Assert.NotEqual(0, await build.WaitAsync());
        await build.AssertGuestsGoneAsync([download]);
        Assert.Empty(Directory.EnumerateDirectories(build["cache/tmp"]));
    }

    /// <summary>A build on a host whose apt is another program.</summary>
    private static Build Without(string apt, bool emptyStore = true)
    {
        var build = new Build();
        Directory.CreateDirectory(build["bin"]);
        foreach (string name in (string[])["apt-get", "apt-config"])
        {
            File.WriteAllText(build[$"bin/{name}"], $"#!/bin/sh\n{apt}\n");
            File.SetUnixFileMode(build[$"bin/{name}"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        build.With("PATH", $"{build["bin"]}:{Environment.GetEnvironmentVariable("PATH")}");
        return emptyStore ? build.With("UML_CACHE", build["cache"]) : build;
    }
}
