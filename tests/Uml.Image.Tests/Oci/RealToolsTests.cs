using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Uml.CI;

/// <summary>Against the tools others make, push and unpack images with; skipped where these are not installed.</summary>
public sealed class RealToolsTests : ImageTest
{
    [Fact]
    public async Task An_image_of_umoci_pushed_by_skopeo_to_docker_s_registry_is_what_umoci_unpacks()
    {
        foreach (string program in (string[])["umoci", "skopeo", "docker-registry"])
            Assert.SkipUnless(ExternalProgram.Find(program) is not null, $"{program} is not installed");
        Assert.SkipUnless(Native.UserId == 0, "umoci keeps owners for root only");
        await RunAsync("""
            mkdir -p root/bin root/etc root/opt/sub
            echo lower > root/etc/motd; echo keep > root/etc/keep; chown 12:34 root/etc/keep; chmod 4751 root/etc/keep
            ln -s keep root/etc/link; ln root/etc/keep root/etc/hard; mkfifo root/pipe; mknod root/null c 1 3
            echo a > root/opt/sub/a; echo b > root/opt/sub/b
            dd if=/dev/urandom of=root/big bs=1k count=300 2>/dev/null
            umoci init --layout lay; umoci new --image lay:base; umoci insert --image lay:base "$PWD/root" /
            umoci config --image lay:base --config.entrypoint /bin/app --config.cmd arg --config.env A=b --config.user 12:34 --config.workingdir /opt
            umoci unpack --image lay:base bundle
            cd bundle/rootfs
            rm etc/motd; echo new > etc/new; ln etc/new etc/new2; rm -r opt/sub; mkdir opt/sub; echo c > opt/sub/c; chmod 700 opt
            cd ../..
            umoci repack --image lay:two bundle
            umoci unpack --image lay:two oracle
            """);
        int port;
        using (TcpListener free = new(IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((IPEndPoint)free.LocalEndpoint).Port;
        }

        await File.WriteAllTextAsync(this["registry.yml"], $"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {this["registry"]}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n", Token);
        using Process registry = Process.Start(new ProcessStartInfo("docker-registry", ["serve", this["registry.yml"]]) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false })!;
        registry.BeginErrorReadLine();
        registry.BeginOutputReadLine();
        try
        {
            await RunAsync($"""
                for i in $(seq 100); do curl -fs http://127.0.0.1:{port}/v2/ >/dev/null && break; sleep 0.1; done
                skopeo copy -q --dest-tls-verify=false oci:lay:two docker://127.0.0.1:{port}/team/app:oci
                skopeo copy -q --dest-tls-verify=false --format v2s2 oci:lay:two docker://127.0.0.1:{port}/team/app:docker
                skopeo copy -q oci:lay:two docker-archive:saved.tar:team/app:1
                skopeo copy -q --dest-compress --dest-compress-format zstd oci:lay:two dir:zstd
                """);
            string expected = await RunAsync("""cd oracle/rootfs; find . -mindepth 1 -printf '%P %y %#m %U:%G %T@ %l\n' | sort""");
            byte[]? first = null;
            foreach (string reference in (string[])[$"oci:127.0.0.1:{port}/team/app:oci", $"oci:127.0.0.1:{port}/team/app:docker", $"oci:{this["lay"]}:two", $"docker-archive:{this["saved.tar"]}"])
            {
                using OciImage image = await OciImage.OpenAsync(OciReference.Parse(reference), Store, Options(), Token);
                Assert.Equal(["/bin/app", "arg"], image.Config.CommandLine);
                Assert.Equal(["A=b"], image.Config.Environment.Where(e => e[0] == 'A'));
                Assert.Equal(("12:34", "/opt"), (image.Config.User, image.Config.WorkingDirectory));
                using MemoryStream tar = new();
                await image.WriteTarAsync(tar, Token);
                Assert.Equal(first ??= tar.ToArray(), tar.ToArray());
            }

            await File.WriteAllBytesAsync(this["ours.tar"], first!, Token);
            string found = await RunAsync("""mkdir ours; tar -C ours -xpf ours.tar --numeric-owner; cd ours; find . -mindepth 1 -printf '%P %y %#m %U:%G %T@ %l\n' | sort""");
            Assert.Equal(Words(expected), Words(found));
            Assert.Equal("", await RunAsync("diff -r --no-dereference oracle/rootfs ours -x null -x pipe"));
        }
        finally
        {
            registry.Kill();
            await registry.WaitForExitAsync(CancellationToken.None);
        }

        // Seconds of time are compared, as layers carry no more; what was made by nobody's entry has no time.
        static string[] Words(string lines) => [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => string.Join(' ', l.Split(' ').Select((w, i) => i == 4 ? w.Split('.')[0] : w)))];
    }

    private async Task<string> RunAsync(string script)
    {
        await File.WriteAllTextAsync(this["script"], "set -e\n" + script, Token);
        using Process shell = Process.Start(new ProcessStartInfo("sh", [this["script"]])
        {
            WorkingDirectory = Path.GetDirectoryName(this["script"])!,
            RedirectStandardOutput = true,
            UseShellExecute = false,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        })!;
        Task<string> errors = shell.StandardError.ReadToEndAsync(Token);
        string output = await shell.StandardOutput.ReadToEndAsync(Token);
        await shell.WaitForExitAsync(Token);
        Assert.True(shell.ExitCode == 0, $"{output}\n{await errors}");
        return output;
    }
}
