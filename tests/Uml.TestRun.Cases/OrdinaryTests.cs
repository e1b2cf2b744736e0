using System.Diagnostics;
using Xunit;

namespace Demo;

public sealed class PassingTests(ITestOutputHelper output)
{
    [Fact]
    public void Passes() => Assert.Equal(4, 2 + 2);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData("drei ü \" \\ \u001b")]
    public void Takes(object value) => Assert.NotNull(value);

    [Fact]
    [Trait("Category", "kernel")]
    public void Says_which_kernel_it_runs_in() => output.WriteLine($"kernel {Environment.OSVersion.Version.Major}, \u001b[1mcolour\u001b[0m");

    [Fact]
    public void Writes_to_the_home_and_the_temporary_directory()
    {
        foreach (string directory in (string[])[Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), Path.GetTempPath()])
        {
            string file = Path.Combine(directory, $"uml-test-run-{Environment.ProcessId}");
            File.WriteAllText(file, "written");
            File.Delete(file);
        }
    }

    [Fact]
    public void Writes_past_the_test_framework()
    {
        // The framework keeps what is written to Console to itself, but not what a child writes. What follows on the last line is the framework's.
        using Process child = Process.Start("sh", ["-c", """
            echo 'a line of its own'
            echo '{"$type":"of its own"}'
            echo '{ not json'
            echo 'a line on standard error' >&2
            printf 'without an end '
            """]);
        child.WaitForExit();
    }
}

public sealed class MixedTests
{
    [Fact]
    public void Fails() => Assert.Equal("this", "that");

    [Fact]
    public void Throws() => throw new InvalidOperationException("the outer one", new ArgumentException("the inner one"));

    [Fact(Skip = "not today")]
    public void Is_skipped() => Assert.Fail("it ran");

    [Fact(Explicit = true)]
    public void Runs_only_when_asked() => Assert.Fail("it ran");

    [Fact]
    public void Warns() => TestContext.Current.AddWarning("a warning of the test");

    [Fact]
    public void Attaches()
    {
        TestContext.Current.AddAttachment("note.txt", "attached text");
        TestContext.Current.AddAttachment("bytes", [0, 1, 2, 255], "application/octet-stream");
    }
}

public sealed class TwinTests
{
#pragma warning disable xUnit1025
    [Theory]
    [InlineData(7)]
    [InlineData(7)]
    public void Has_equal_rows(int value) => Assert.Equal(7, value);
#pragma warning restore xUnit1025

    [Twice]
    public void Is_found_twice()
    {
    }
}

public sealed class KernelTests
{
    [Fact]
    [Trait("Category", "kernel")]
    public void Needs_a_new_kernel() => Assert.True(Environment.OSVersion.Version >= new Version(6, 12), $"Linux {Environment.OSVersion.Version}");

    [Fact]
    [Trait("Category", "kernel")]
    public void Runs_on_any() => Assert.True(OperatingSystem.IsLinux());
}

public sealed class BrokenCleanupTests : IDisposable
{
    [Fact]
    public void Passes()
    {
    }

    public void Dispose() => throw new InvalidOperationException("the cleanup broke");
}
