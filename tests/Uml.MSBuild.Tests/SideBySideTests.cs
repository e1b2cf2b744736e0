using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>What boots guests at the same time shares the machine: everyone comes to the end.</summary>
public sealed class SideBySideTests(GuestProject project) : IClassFixture<GuestProject>
{
    [Theory]
    [InlineData("UML_MAX_GUESTS", "1")]
    // Room for one of the test project's guests of 1 GiB, or for two of the others: .NET takes this for all the memory there is.
    [InlineData("DOTNET_GCHeapHardLimit", "60000000")]
    public async Task Test_projects_and_a_build_finish_with_little_room(string variable, string value)
    {
        using var cache = new Build();
        // A limit of its own: that of this user is the other tests'. The kernels are the same.
        (string, string)[] variables = [(variable, value), ("UML_CACHE", PrivateStore.Create(cache["cache"])), ("UML_TESTHOST_MANY", "12"), ("UML_REQUIRED", "1")];

        using Build fixtures = With(new Build(), variables).StartDotnet("exec", Build.Metadata("TestHostCases"), "-noColor", "-class", "Uml.CI.TestHost.Cases.ManyCases");
        using Build inside = project.Start(["test", "--no-build", "-p:UmlKernel=debian:sid", "--minimum-expected-tests", "9"], variables);
        using Build alsoInside = project.Start(["test", "--no-build", "-p:UmlKernel=debian:bookworm", "--minimum-expected-tests", "9"], variables);
        using Build commands = With(new Build(), variables);
        commands.WriteProject("""
            <UmlKernel Include="debian:bookworm;debian:sid" />
            <UmlGuestCommand Include="true" />
            <UmlGuestCommand Include="uname -r" />
            """);
        commands.StartBuild("test.proj", "-m");

        foreach (Build run in (Build[])[fixtures, inside, alsoInside, commands])
            Assert.True(await run.WaitAsync() == 0, run.Output);
        Assert.Contains("Total: 12, Errors: 0, Failed: 0, Skipped: 0", fixtures.Output, StringComparison.Ordinal);
        foreach (Build run in (Build[])[fixtures, inside, alsoInside, commands])
            await run.AssertGuestsGoneAsync([]);
    }

    private static Build With(Build build, (string Name, string Value)[] variables)
    {
        foreach ((string name, string value) in variables)
            build.With(name, value);
        return build;
    }
}
