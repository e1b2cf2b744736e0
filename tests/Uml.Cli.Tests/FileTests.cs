namespace Uml.CI.Cli.Tests;

public sealed class FileTests : ToolTests
{
    [Fact]
    public async Task Files_go_in_and_come_back()
    {
        string tree = this["ein täst"];
        System.IO.Directory.CreateDirectory(Path.Combine(tree, "leer"));
        File.WriteAllText(Path.Combine(tree, "a b"), "inhalt\n");
        File.WriteAllText(Path.Combine(tree, "run me"), "#!/bin/sh\necho ran\n");
        File.SetUnixFileMode(Path.Combine(tree, "run me"), (UnixFileMode)0x1ed);
        File.CreateSymbolicLink(Path.Combine(tree, "link"), "a b");

        Run run = await RunAsync(
            "run", "--copy", "ein täst:/opt/ein täst", "--copy-out", "/opt/ein täst:zurück", "--copy-out", "/tmp/new:files/",
            "--", "sh", "-c", "cd '/opt/ein täst'; './run me'; echo more >> 'a b'; printf x > /tmp/new");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal("ran\n", run.Output);
        Assert.Equal("inhalt\n", File.ReadAllText(Path.Combine(tree, "a b")));
        Assert.Equal("inhalt\nmore\n", File.ReadAllText(this["zurück/a b"]));
        Assert.Equal((UnixFileMode)0x1ed, File.GetUnixFileMode(this["zurück/run me"]));
        Assert.Equal("a b", new FileInfo(this["zurück/link"]).LinkTarget);
        Assert.True(System.IO.Directory.Exists(this["zurück/leer"]));
        Assert.Equal("x", File.ReadAllText(this["files/new"]));
    }

    [Fact]
    public async Task A_colon_in_a_path_is_escaped()
    {
        File.WriteAllText(this["a:b"], "colon");
        Run run = await RunAsync("run", "--copy", @"a\:b:/tmp/c\:d", "--copy-out", @"/tmp/c\:d:e\:f", "cat", "/tmp/c:d");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal("colon", run.Output);
        Assert.Equal("colon", File.ReadAllText(this["e:f"]));
    }

    [Fact]
    public async Task What_a_failed_command_left_comes_back_too()
    {
        Run run = await RunAsync("run", "--copy-out", "/tmp/log:log", "--copy-out", "/tmp/none:none", "sh", "-c", "echo why > /tmp/log; exit 3");
        Assert.Equal(3, run.ExitCode);
        Assert.Equal("why\n", File.ReadAllText(this["log"]));
        Assert.Contains("/tmp/none", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_result_that_is_missing_is_a_failure()
    {
        Run run = await RunAsync("run", "--copy-out", "/tmp/none:none", "true");
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("/tmp/none", run.Error, StringComparison.Ordinal);
        Assert.False(Path.Exists(this["none"]));
    }

    [Fact]
    public async Task An_artifact_that_is_missing_is_told()
    {
        Run run = await RunAsync("run", "--copy", "nothing:/x", "true");
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("\"nothing\"", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mounts_are_read_only_unless_asked()
    {
        foreach (string name in (string[])["ro", "rw", "cow"])
        {
            System.IO.Directory.CreateDirectory(this[name]);
            File.WriteAllText(this[$"{name}/file"], name);
        }

        Run run = await RunAsync(
            "run", "--mount", "ro:/mnt/r o", "--mount", "rw:/mnt/rw:rw", "--mount", "cow:/mnt/cow:cow", "--",
            "sh", "-c", "cd /mnt; cat 'r o/file' rw/file cow/file; for d in 'r o' rw cow; do (echo changed > \"$d/file\") 2>/dev/null && echo \" $d\"; done; cat rw/file cow/file");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal("rorwcow rw\n cow\nchanged\nchanged\n", run.Output);
        Assert.Equal(["ro", "changed\n", "cow"], ((string[])["ro", "rw", "cow"]).Select(n => File.ReadAllText(this[$"{n}/file"])));
    }
}
