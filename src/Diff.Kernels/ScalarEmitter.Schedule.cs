using System;
using System.Collections.Generic;

namespace Diff.Kernels;

/// <summary>Which values are computed by themselves, in which order, and in which method.</summary>
internal sealed unsafe partial class ScalarEmitter
{
    private void FindStatements()
    {
        ScalarInstruction[] list = code.Instructions;
        var uses = new int[list.Length];
        foreach (ScalarInstruction x in list) for (int k = 0; k < x.Operands; k++) uses[x.Operand(k)]++;
        for (int i = code.Constants; i < list.Length; i++)
        {
            ScalarInstruction x = list[i];
            int size = i < code.First ? 0 : 1;
            for (int k = 0; k < x.Operands; k++) if (!isStatement[x.Operand(k)]) size += treeSize[x.Operand(k)];
            treeSize[i] = size;
            isStatement[i] = storesOf[i] != null || (i >= code.First && (uses[i] > 1 || size >= MaxTree));
        }
    }

    /// <summary>The statements that an expression reads, and the loads in it, in the order of evaluation.</summary>
    private void Leaves(int value, List<int> found)
    {
        ScalarInstruction x = code.Instructions[value];
        for (int k = 0; k < x.Operands; k++)
        {
            int operand = x.Operand(k);
            if (isStatement[operand] || (operand < code.First && operand >= code.Constants)) found.Add(operand);
            else if (operand >= code.First) Leaves(operand, found); // as deep as expressions are
        }
    }

    /// <summary>The statements, and the constants that are results, in depth-first order from the results.</summary>
    private List<int> Schedule()
    {
        var order = new List<int>();
        var state = new byte[code.Instructions.Length];
        var waiting = new Stack<int>();
        var leaves = new List<int>();
        foreach (ScalarStore store in code.Stores)
        {
            waiting.Push(store.Value);
            while (waiting.Count > 0)
            {
                int value = waiting.Pop();
                if (state[value] == 2) continue;
                if (state[value] == 1)
                {
                    state[value] = 2;
                    order.Add(value);
                    continue;
                }
                state[value] = 1;
                waiting.Push(value);
                leaves.Clear();
                Leaves(value, leaves);
                for (int k = leaves.Count - 1; k >= 0; k--) if (isStatement[leaves[k]] && state[leaves[k]] == 0) waiting.Push(leaves[k]);
            }
        }
        return order;
    }

    /// <summary>Cuts the statements into methods of equal size, and finds what crosses between them.</summary>
    private void Divide(List<int> order, int partSize)
    {
        int total = 0, sum = 0;
        foreach (int value in order) total += Work(value);
        int count = Math.Max(1, (total + partSize - 1) / partSize), target = (total + count - 1) / count;
        var part = new List<int>();
        var leaves = new List<int>();
        foreach (int value in order)
        {
            home[value] = parts.Count;
            part.Add(value);
            sum += Work(value);
            if (sum >= target && parts.Count < count - 1)
            {
                parts.Add([.. part]);
                part.Clear();
                sum = 0;
            }
        }
        parts.Add([.. part]);
        for (int p = 0; p < parts.Count; p++)
        {
            foreach (int value in parts[p])
            {
                leaves.Clear();
                Leaves(value, leaves);
                foreach (int leaf in leaves) if (isStatement[leaf] && home[leaf] != p && slot[leaf] < 0) slot[leaf] = Scratch++;
            }
        }
    }

    private int Work(int value) => treeSize[value] + (storesOf[value]?.Count ?? 0);
}
