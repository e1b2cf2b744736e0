using System.Text;
using Xunit;

namespace Uml.CI.Wire.Tests;

public sealed class TreeFuzzTests : IDisposable
{
    // So far down that a stream which gets out cannot climb to anything that matters.
    private static readonly string s_box = string.Concat(Enumerable.Repeat("deep/", 40)) + "box";

    private readonly TreeSandbox _sandbox = TreeSandbox.InMemory();

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void Damaged_trees_stay_inside_and_fail_cleanly()
    {
        string from = _sandbox.MakeTree();
        File.CreateSymbolicLink(_sandbox["from/out"], "../outside");
        byte[] original = Tree.Pack(from, 100);
        Fuzz(2000, random => Mutation.Apply(original, random), minimumRefused: 1000);
    }

    [Fact]
    public void Hostile_trees_stay_inside_and_fail_cleanly()
    {
        Fuzz(5000, Hostile, minimumRefused: 1000);
    }

    private byte[] Hostile(Random random)
    {
        string[] names = ["a", "b", "c", "d", "a", "b", "c", "d", "out", "out", "up", "..", ".", "", "/", "a/b", "../outside", "..\0"];
        string[] targets = ["../outside", _sandbox[s_box + "/outside"], "..", "../..", "a", "b", "../../outside", "../outside/f", "out/f", "up/outside/f", "a/b"];
        var forge = new TreeForge().Directory([]);
        int depth = 1;
        for (int i = random.Next(1, 25); i > 0; i--)
        {
            // Bad names are rare, for a stream ends at the first.
            byte[] name = Encoding.UTF8.GetBytes(names[random.Next(100) == 0 ? random.Next(names.Length) : random.Next(11)]);
            byte[] target = Encoding.UTF8.GetBytes(targets[random.Next(targets.Length)]);
            switch (random.Next(8))
            {
                case 0 or 1:
                    forge.Directory(name);
                    depth++;
                    break;
                case 2 or 3:
                    forge.File(name, "theirs"u8, (uint)random.Next(0x1000));
                    break;
                case 4:
                    forge.Symlink(name, target);
                    break;
                case 5:
                    forge.HardLink(name, random.Next(2) == 0 ? target : name);
                    break;
                case 6:
                    forge.Entry(TreeRecord.Fifo, name).UInt32(0x1A4).Time();
                    break;
                default:
                    if (depth > 1)
                    {
                        forge.Leave();
                        depth--;
                    }

                    break;
            }
        }

        while (depth-- > 0)
            forge.Leave();
        return forge.End();
    }

    private void Fuzz(int streams, Func<Random, byte[]> make, int minimumRefused)
    {
        _sandbox.MakeFile(s_box + "/outside/f", "mine"u8);
        _sandbox.MakeFile(s_box + "/outside/sub/f", "mine too"u8);
        _sandbox.MakeDirectory(s_box + "/to");
        string outside = TreeSandbox.List(_sandbox[s_box + "/outside"]);
        int refused = 0;
        for (int seed = 0; seed < streams; seed++)
        {
            // What earlier streams left behind is what later ones stumble over; now and then it starts afresh.
            if (seed % 10 == 0)
                _sandbox.Empty(s_box + "/to");
            try
            {
                Tree.Unpack(make(new Random(seed)), _sandbox[s_box + "/to"], seed: seed);
            }
            catch (TreeException)
            {
                refused++;
            }

            Assert.True(outside == TreeSandbox.List(_sandbox[s_box + "/outside"]), $"seed {seed} wrote outside of its destination");
            Assert.True(Directory.GetFileSystemEntries(_sandbox[s_box]).Length == 2, $"seed {seed} made something beside its destination");
            Assert.True(seed % 50 != 0 || _sandbox.Leftovers().Length == 0, $"seed {seed} left a temporary file");
        }

        Assert.Equal("1", TreeSandbox.Run(_sandbox[s_box + "/outside/f"], """stat -c %h "$1" """).Trim());
        Assert.Equal(0, _sandbox.OpenDescriptors());
        Assert.InRange(refused, minimumRefused, streams - 10);
    }
}
