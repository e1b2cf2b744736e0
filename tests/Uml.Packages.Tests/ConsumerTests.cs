namespace Uml.CI.Packages.Tests;

/// <summary>The native agent is wherever the guest's library goes.</summary>
public sealed class ConsumerTests(Feed feed)
{
    [Fact]
    public async Task A_program_has_the_agent_through_a_library_and_keeps_it_when_it_is_published()
    {
        using Folder folder = feed.CreateFolder();
        folder.Write("Library/Library.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
              <ItemGroup><PackageReference Include="Uml.Guest" Version="{Feed.Version}" /></ItemGroup>
            </Project>
            """);
        folder.Write("Program/Program.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
              </PropertyGroup>
              <ItemGroup><ProjectReference Include="../Library/Library.csproj" /></ItemGroup>
            </Project>
            """);
        folder.Write("Program/Program.cs", """
            await using Uml.CI.Guest guest = await new Uml.CI.GuestBuilder().WithKernel("debian:bookworm").WithRoot(Uml.CI.GuestRoot.Empty).StartAsync();
            System.Console.WriteLine($"booted {guest.Release}");
            """);

        Assert.Contains("booted 6.1.", await folder.DotnetAsync("run", "--project", "Program"), StringComparison.Ordinal);

        await folder.DotnetAsync("publish", "Program", "-r", "linux-x64", "--self-contained", "false", "-o", folder["published"]);
        Assert.True(File.Exists(folder["published/uml-agent"]));
        (int status, string output) = await Dotnet.TryAsync(feed, folder["published/Program"], folder[""], []);
        Assert.True(status == 0, output);
        Assert.Contains("booted 6.1.", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_test_project_has_the_targets_through_a_library_of_fixtures()
    {
        using Folder folder = feed.CreateFolder();
        folder.Write("Fixtures/Fixtures.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
              <ItemGroup><PackageReference Include="Uml.TestHost" Version="{Feed.Version}" /></ItemGroup>
            </Project>
            """);
        folder.Write("Tests/Tests.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
              <ItemGroup>
                <ProjectReference Include="../Fixtures/Fixtures.csproj" />
                <UmlGuestCommand Include="uname -r" Kernel="debian:bookworm" />
              </ItemGroup>
            </Project>
            """);

        string output = await folder.DotnetAsync("build", "Tests", "-tl:off");

        Assert.Contains("Running \"uname -r\" on debian:bookworm (6.1.", output, StringComparison.Ordinal);
        // The tasks are MSBuild's to load, not the project's.
        Assert.Empty(Directory.GetFiles(folder["Tests/bin"], "Uml.MSBuild.dll", SearchOption.AllDirectories));
    }
}
