namespace Uml.CI.Tests;

public sealed class TestAssemblyTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-testrun-");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public void An_assembly_is_named_by_itself_or_by_its_executable()
    {
        Assert.Equal(Cases.Path, TestAssembly.Open(Cases.Path[..^".dll".Length]).Path);
        Assert.Equal([Cases.Path[..^".dll".Length]], Cases.Assembly.Command);
        Assert.Equal("Demo.Tests", Cases.Assembly.Name);
    }

    [Fact]
    public void Without_an_executable_the_runtime_takes_the_assembly()
    {
        foreach (string file in Directory.GetFiles(Cases.Directory).Where(f => Path.GetFileName(f) != "Demo.Tests"))
            File.Copy(file, Path.Combine(_scratch.FullName, Path.GetFileName(file)));
        string[] command = [.. TestAssembly.Open(Path.Combine(_scratch.FullName, "Demo.Tests.dll")).Command];
        Assert.Equal(["exec", Path.Combine(_scratch.FullName, "Demo.Tests.dll")], command[1..]);
        Assert.True(File.Exists(command[0]), command[0]);

        File.Delete(Path.Combine(_scratch.FullName, "Demo.Tests.runtimeconfig.json"));
        Refused(Path.Combine(_scratch.FullName, "Demo.Tests.dll"), "runtimeconfig.json");
    }

    [Fact]
    public void What_is_no_test_assembly_is_told()
    {
        Refused("", "empty");
        Refused("no such file.dll", "there is no no such file.dll");
        Refused(_scratch.FullName, "is a directory");
        Refused("/bin/true", "not a .NET assembly");
        Refused("/dev/null", "not a .NET assembly");
        Refused(typeof(object).Assembly.Location, "no tests of xunit");
        Refused(typeof(TestRun).Assembly.Location, "no tests of xunit");
        Refused(typeof(Assert).Assembly.Location, "no tests of xunit");
    }

    [Fact]
    public void Tests_of_v2_need_a_program_that_runs_them()
    {
        string path = Cases.Path.Replace("Uml.TestRun.Cases", "Uml.TestRun.V2Cases", StringComparison.Ordinal).Replace("Demo.Tests", "Demo.V2.Tests", StringComparison.Ordinal);
        Refused(path, "built with xunit v2");
        Assert.Equal(["a", "b", path], TestAssembly.Open(path, ["a", "b"]).Command);
    }

    [Fact]
    public async Task A_runtime_that_is_missing_is_named()
    {
        foreach (string file in Directory.GetFiles(Cases.Directory))
            File.Copy(file, Path.Combine(_scratch.FullName, Path.GetFileName(file)));
        string configuration = Path.Combine(_scratch.FullName, "Demo.Tests.runtimeconfig.json");
        await File.WriteAllTextAsync(configuration, """{ "runtimeOptions": { "tfm": "net99.0", "framework": { "name": "Microsoft.NETCore.App", "version": "99.0.0" } } }""", TestContext.Current.CancellationToken);
        TestAssembly assembly = TestAssembly.Open(Path.Combine(_scratch.FullName, "Demo.Tests.dll"));
        TestRunException e = await Assert.ThrowsAsync<TestRunException>(() => TestRun.ListAsync(assembly, new TestFilter(), TestContext.Current.CancellationToken));
        Assert.Contains("99.0.0", e.Message, StringComparison.Ordinal);
        Assert.Contains("not installed", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    private static void Refused(string path, string reason) =>
        Assert.Contains(reason, Assert.Throws<TestRunException>(() => TestAssembly.Open(path)).Message, StringComparison.Ordinal);
}
