using System.Buffers.Binary;
using System.Text;

namespace Uml.CI.Cli.Tests;

public sealed class TestHostTests
{
    private const string Id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public void Artifacts_are_found_however_the_bytes_are_cut(int piece)
    {
        byte[] bytes = [.. Message(9, Encoding.UTF8.GetBytes("a handshake")), .. Artifacts("/tmp/a b/ü.txt", "/x"), .. Message(6, new byte[70_000]), .. Artifacts(), .. Artifacts("/last")];
        var found = new List<string>();
        var reader = new ArtifactReader(found.Add);
        foreach (byte[] part in bytes.Chunk(piece))
            reader.Add(part);

        Assert.Equal(["/tmp/a b/ü.txt", "/x", "/last"], found);
    }

    [Fact]
    public void Broken_messages_are_no_artifacts_and_no_exception()
    {
        byte[] good = Artifacts("/tmp/first", "/tmp/second");
        for (int i = 0; i < good.Length; i++)
        {
            foreach (byte value in (ReadOnlySpan<byte>)[0, 1, 0x7f, 0x80, 0xff])
            {
                byte[] bytes = [.. good];
                bytes[i] = value;
                var reader = new ArtifactReader(_ => { });
                reader.Add(bytes);
                reader.Add(bytes.AsSpan(0, i));
            }
        }
    }

    [Theory]
    [InlineData("/tmp/" + Id + "/a.txt", true)]
    [InlineData("/tmp/" + Id + "/../../etc/passwd", false)]
    [InlineData("/tmp/" + Id + "/..", false)]
    [InlineData("/tmp/" + Id + "/b/a.txt", false)]
    [InlineData("/tmp/a.txt", false)]
    [InlineData("/tmp/0123/a.txt", false)]
    [InlineData("/etc/" + Id + "/a.txt", false)]
    [InlineData("relative", false)]
    [InlineData("", false)]
    [InlineData("/tmp/" + Id + "/a\0.txt", false)]
    [InlineData("/", false)]
    public void Only_attachments_may_be_written_on_the_host(string path, bool allowed) =>
        Assert.Equal(allowed, TestPlatformLink.IsAttachment(path, "/tmp/"));

    [Theory]
    [InlineData("/bin/t", "/bin/TestResults")]
    [InlineData("/bin/t --results-directory /r", "/r")]
    [InlineData("/bin/t --results-directory=/r/s", "/r/s")]
    [InlineData("dotnet exec /a/t.dll", "/a/TestResults")]
    public void The_results_directory_is_the_hosts(string program, string expected)
    {
        RunRequest request = TestHostSession.Adapt(Request(program + " --server dotnettestcli --dotnet-test-pipe /tmp/pipe"));

        GuestMount mount = Assert.Single(request.Guest.Mounts);
        Assert.Equal(new GuestMount(expected, expected, MountMode.ReadWrite), mount);
        Assert.Equal("/tmp/pipe", request.TestPlatformSocket);
        Assert.True(request.NoInput);
        Assert.True(request.EndsWithParent);
    }

    [Fact]
    public void A_program_that_is_no_test_is_run_as_it_is()
    {
        RunRequest request = TestHostSession.Adapt(Request("/bin/program --results-directory /r"));

        Assert.Empty(request.Guest.Mounts);
        Assert.Null(request.TestPlatformSocket);
        Assert.False(request.NoInput);
    }

    [Fact]
    public void The_callers_settings_of_the_runtime_hold()
    {
        RunRequest request = Request("/bin/t");
        request = request with { Guest = request.Guest with { Environment = request.Guest.Environment.SetItem("DOTNET_TieredPGO", "1") } };

        Assert.Equal("1", TestHostSession.Adapt(request).Guest.Environment["DOTNET_TieredPGO"]);
        Assert.Equal("0", TestHostSession.Adapt(request).Guest.Environment["DOTNET_EnableWriteXorExecute"]);
    }

    private static RunRequest Request(string command) => new() { Guest = new GuestOptions(), Command = [.. command.Split(' ')] };

    private static byte[] Artifacts(params string[] paths)
    {
        byte[] list = [.. Int(paths.Length), .. paths.SelectMany(p => Fields((1, Encoding.UTF8.GetBytes(p)), (2, "name"u8.ToArray()), (6, "s"u8.ToArray())))];
        return Message(7, Fields((1, "execution"u8.ToArray()), (2, "instance"u8.ToArray()), (3, list)));
    }

    private static byte[] Fields(params (ushort Number, byte[] Value)[] fields) =>
        [.. Short(fields.Length), .. fields.SelectMany(f => (byte[])[.. Short(f.Number), .. Int(f.Value.Length), .. f.Value])];

    private static byte[] Message(int kind, byte[] body) => [.. Int(body.Length + 4), .. Int(kind), .. body];

    private static byte[] Int(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Short(int value) => Int(value)[..2];
}
