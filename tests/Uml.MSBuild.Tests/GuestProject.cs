using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>A test project of a user, built once: what its tests do is chosen by variables of the environment.</summary>
public sealed class GuestProject : IAsyncLifetime
{
    private const string Tests = """
        using Xunit;

        namespace Demo;

        public sealed class OrdinaryTests(ITestOutputHelper output)
        {
            [Fact]
            public void Says_where_it_runs()
            {
                output.WriteLine($"release={File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}");
                output.WriteLine($"cmdline={File.ReadAllText("/proc/cmdline").Trim()}");
                output.WriteLine($"{File.ReadLines("/proc/meminfo").First()}");
                output.WriteLine($"variable={Environment.GetEnvironmentVariable("DEMO_VARIABLE")}");
                output.WriteLine($"directory={Environment.CurrentDirectory}");
            }

            [Fact, Trait("Category", "fails")]
            public void Fails() => Assert.Equal(1, Environment.GetEnvironmentVariable("DEMO_FAIL") == "1" ? 2 : 1);

            [Fact(Skip = "not now")]
            public void Is_skipped() => Assert.Fail("it ran");

            [Theory]
            [InlineData(1)]
            [InlineData("zwei ü <&\">")]
            [InlineData(null)]
            public void Takes(object? value) => output.WriteLine($"{value}");

            [Fact]
            public void Attaches()
            {
                TestContext.Current.AddAttachment("note", "the attached text ü");
                string id = TestContext.Current.Test!.UniqueID;
                string? target = Environment.GetEnvironmentVariable("DEMO_LINK");
                if (target is null)
                    return;
                // What has been announced is something else by the time it is looked at.
                AppDomain.CurrentDomain.ProcessExit += (_, _) =>
                {
                    string path = Directory.GetFiles(Path.Combine(Path.GetTempPath(), id), "note*").Single();
                    File.Delete(path);
                    if (target.Length > 0)
                        File.CreateSymbolicLink(path, target);
                    else
                        Directory.CreateDirectory(Path.Combine(path, "planted"));
                };
            }

            [Fact]
            public void Writes_a_lot() => output.WriteLine(new string('x', 300_000));

            [Fact]
            public async Task Is_cancelled_in_order()
            {
                if (Environment.GetEnvironmentVariable("DEMO_HANG") is { } how)
                    await Task.Delay(-1, how == "politely" ? TestContext.Current.CancellationToken : default);
            }

            [Fact]
            public void Panics()
            {
                if (Environment.GetEnvironmentVariable("DEMO_PANIC") == "1")
                    File.WriteAllText("/proc/sysrq-trigger", "c");
            }
        }
        """;

    private readonly Build _build = new();

    /// <summary>The directory of the project.</summary>
    public string Directory => _build["my project ü"];

    public async ValueTask InitializeAsync()
    {
        System.IO.Directory.CreateDirectory(Directory);
        string build = Path.Combine(AppContext.BaseDirectory, "build");
        await File.WriteAllTextAsync(Path.Combine(Directory, "Demo.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <UmlTaskAssembly>{Build.Metadata("TaskAssembly")}</UmlTaskAssembly>
                <UmlTool>{Build.Metadata("Tool")}</UmlTool>
              </PropertyGroup>
              <Import Project="{build}/Uml.MSBuild.props" />
              <ItemGroup>
                <PackageReference Include="xunit.v3" Version="{Build.Metadata("XunitVersion")}" />
              </ItemGroup>
              <Import Project="{build}/Uml.MSBuild.targets" />
            </Project>
            """);
        await File.WriteAllTextAsync(Path.Combine(Directory, "Tests.cs"), Tests);
        await File.WriteAllTextAsync(Path.Combine(Directory, "global.json"), """{ "test": { "runner": "Microsoft.Testing.Platform" } }""");
        Assert.True(await _build.From(Directory).StartDotnet("build", "-nologo", "-nodeReuse:false").WaitAsync() == 0, _build.Output);
    }

    /// <summary>A command of dotnet in the project's directory, with a directory of its own for its guests.</summary>
    internal Build Start(string[] arguments, params (string Name, string Value)[] variables)
    {
        Build run = new Build().From(Directory);
        foreach ((string name, string value) in variables)
            run.With(name, value);
        return run.StartDotnet(arguments);
    }

    public ValueTask DisposeAsync()
    {
        _build.Dispose();
        return ValueTask.CompletedTask;
    }
}
