namespace Uml.CI.Tests;

/// <summary>What smoke tests read, without a guest.</summary>
public sealed class SmokeParsingTests : IDisposable
{
    private static readonly LeftoverRules Rules = new DebianFamily(HostTools.Default).Leftovers;

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml smoke ");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public void Control_paragraphs_have_fields_of_several_lines()
    {
        ControlParagraph[] read = [.. ControlParagraph.Parse("# comment\nPackage: a\nDescription: short\n long\n .\n more\nEmpty:\n\n\n\npackage: b\r\n")];
        Assert.Equal(["a", "b"], read.Select(p => p["PACKAGE"]));
        Assert.Equal(("short\nlong\n.\nmore", "", ""), (read[0]["Description"], read[0]["Empty"], read[0]["None"]));
        Assert.Equal("Package: a\nDescription: short\n long\n .\n more\nEmpty: \n", read[0].ToString());
        Assert.Contains("line 1", Assert.Throws<FormatException>(() => ControlParagraph.Parse(" begins in the middle").ToArray()).Message, StringComparison.Ordinal);
        Assert.Contains("line 2", Assert.Throws<FormatException>(() => ControlParagraph.Parse("Package: a\nno field").ToArray()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_says_what_is_installed()
    {
        Dictionary<string, string> installed = PackageRepository.InstalledIn("""
            Package: here
            Status: install ok installed
            Version: 1:2-3

            Package: gone
            Status: deinstall ok config-files
            Version: 1

            """);
        Assert.Equal("1:2-3", Assert.Single(installed).Value);
    }

    [Fact]
    public void A_changes_file_names_packages_that_are_what_it_says()
    {
        string package = Path.Combine(_scratch.FullName, "a_1_all.deb");
        File.WriteAllText(package, "content");
        string sum = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("content"u8));
        string changes = Path.Combine(_scratch.FullName, "a.changes");
        string text = $"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nFormat: 1.8\nChecksums-Sha256:\n {sum} 7 a_1_all.deb\n {sum} 7 a-dbgsym_1_amd64.deb\n {sum} 7 a_1.dsc\n-----BEGIN PGP SIGNATURE-----\n\nrubbish\n";
        File.WriteAllText(changes, text);
        Assert.Equal([package], DebianPackageFile.ReadChanges(changes));
        File.WriteAllText(package, "comtent");
        Assert.Contains("SHA-256 is another", Assert.Throws<KernelException>(() => DebianPackageFile.ReadChanges(changes)).Message, StringComparison.Ordinal);
        File.Delete(package);
        Assert.Contains("not beside it", Assert.Throws<KernelException>(() => DebianPackageFile.ReadChanges(changes)).Message, StringComparison.Ordinal);
        File.WriteAllText(changes, text.Replace("a_1_all", "../a_1_all", StringComparison.Ordinal));
        Assert.Contains("outside", Assert.Throws<KernelException>(() => DebianPackageFile.ReadChanges(changes)).Message, StringComparison.Ordinal);
        File.WriteAllText(changes, "rubbish");
        Assert.Contains("no .changes file", Assert.Throws<KernelException>(() => DebianPackageFile.ReadChanges(changes)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("none.deb", "not a file")]
    [InlineData("none.changes", "does not exist")]
    [InlineData("bad.deb", "no Debian package")]
    [InlineData(".", "no package")]
    public async Task What_is_no_package_is_refused(string name, string problem)
    {
        await File.WriteAllTextAsync(Path.Combine(_scratch.FullName, "bad.deb"), "rubbish", Cancel);
        string path = name == "." ? _scratch.CreateSubdirectory("empty").FullName : Path.Combine(_scratch.FullName, name);
        KernelException refused = await Assert.ThrowsAsync<KernelException>(() => new DebianFamily(HostTools.Default).SelectAsync([path], Cancel));
        Assert.Contains(problem, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public Task A_name_that_none_can_have_is_refused() =>
        Assert.ThrowsAsync<ArgumentException>(() => new DebianFamily(HostTools.Default).SelectAsync(["No Package"], Cancel));

    [Fact]
    public void Snapshots_differ_in_what_was_left_taken_and_changed()
    {
        SystemSnapshot before = Snapshot("user\troot:0\nuser\told:100\n", ("d", "/etc", "755", "1"), ("f", "/etc/kept", "644", "1"), ("f", "/etc/gone", "644", "1"), ("f", "/etc/touched", "644", "1"), ("d", "/var", "755", "1"), ("f", "/etc/passwd", "644", "1"));
        SystemSnapshot after = Snapshot(
            "user\troot:0\nuser\tdaemon:105\nuser\tperson:1000\ndiversion\tdiversion of x\nfailed\tx.service\n",
            ("d", "/etc", "755", "2"), ("f", "/etc/kept", "644", "1"), ("f", "/etc/touched", "600", "1"), ("d", "/etc/left", "755", "2"), ("f", "/etc/left/a\tb", "644", "2"), ("l", "/etc/link", "777", "2"), ("d", "/var", "755", "2"), ("d", "/var/cache", "755", "2"), ("f", "/var/cache/x", "644", "2"), ("f", "/etc/passwd", "644", "2"));
        (System.Collections.Immutable.ImmutableArray<string> problems, System.Collections.Immutable.ImmutableArray<string> notes) = Rules.Compare(before, after);
        Assert.Equal(
            [
                "left behind: /etc/left/, /etc/link -> target (broken)", "gone from the system: /etc/gone", "changed: /etc/touched (mode 644 -> 600)",
                "diversions left behind: diversion of x", "failed units left behind: x.service", "the user person was left behind", "the user old is gone from the system, or has another number",
            ], problems);
        Assert.Equal(["the user daemon was left behind"], notes);
        Assert.Empty(Rules.Compare(before, before).Problems);
        Assert.Throws<FormatException>(() => SystemSnapshot.Parse("f\t644\t0", ""));
    }

    [Theory]
    [InlineData("Setting up x (1) ...\ndpkg: error processing package x (--configure):\n installed x package post-installation script subprocess returned error exit status 3\nErrors were encountered while processing:\n x\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n", "installed x package post-installation script subprocess returned error exit status 3")]
    [InlineData("Reading package lists...\nE: Unable to locate package x\n", "Unable to locate package x")]
    [InlineData("The following packages have unmet dependencies:\n x : Depends: y but it is not installable\nE: Unable to correct problems, you have held broken packages.\n", "x : Depends: y but it is not installable")]
    [InlineData("nothing", null)]
    public void Of_what_apt_says_the_reason_is_found(string log, string? reason) => Assert.Equal(reason, PackageErrors.Why(log));

    [Theory]
    [InlineData("LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nNRestarts=0", null)]
    [InlineData("LoadState=loaded\nUnitFileState=enabled\nActiveState=failed\nResult=exit-code\nExecMainCode=1\nExecMainStatus=3", "x.service failed (exit-code, status 3)")]
    [InlineData("LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nNRestarts=2\nResult=success", "x.service died and was started again 2 times (success)")]
    [InlineData("LoadState=loaded\nUnitFileState=enabled\nActiveState=inactive\nType=simple\nResult=success\nConditionResult=yes", "x.service is enabled and does not run (success)")]
    [InlineData("LoadState=loaded\nUnitFileState=enabled\nActiveState=inactive\nType=simple\nConditionResult=no", null)]
    [InlineData("LoadState=loaded\nUnitFileState=disabled\nActiveState=inactive\nType=simple", null)]
    [InlineData("LoadState=not-found\nActiveState=inactive", null)]
    public void A_unit_is_well_or_says_why_not(string shown, string? problem) => Assert.Equal(problem, Assert.Single(ServiceState.Parse("Id=x.service\n" + shown)).Problem);

    private static SystemSnapshot Snapshot(string facts, params (string Type, string Path, string Mode, string Time)[] files) =>
        SystemSnapshot.Parse(string.Concat(files.Select(f => $"{f.Type}\t{f.Mode}\t0\t0\t10\t{f.Time}\t{f.Path}\t{(f.Type == "l" ? "target" : "")}\0")), facts);
}
