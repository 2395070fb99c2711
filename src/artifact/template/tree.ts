/**
 * The tree of a Jinja chat template as the detectors see it: plain data, every node with its offset
 * (UTF-16 units from the template's first character). Nothing here can be rendered.
 */

interface At {
  readonly offset: number;
}

export interface Keyword {
  readonly name: string;
  readonly value: Expression;
}

export type Expression = At &
  (
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'number'; readonly value: number }
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'list'; readonly items: readonly Expression[] }
    | {
        readonly kind: 'dict';
        readonly entries: readonly (readonly [Expression, Expression])[];
      }
    | { readonly kind: 'member'; readonly object: Expression; readonly property: Expression }
    | {
        readonly kind: 'slice';
        readonly start?: Expression;
        readonly stop?: Expression;
        readonly step?: Expression;
      }
    | {
        readonly kind: 'call';
        readonly callee: Expression;
        readonly args: readonly Expression[];
        readonly keywords: readonly Keyword[];
      }
    | {
        readonly kind: 'filter';
        readonly operand: Expression;
        readonly name: string;
        readonly args: readonly Expression[];
        readonly keywords: readonly Keyword[];
      }
    | { readonly kind: 'test'; readonly operand: Expression; readonly name: string }
    | {
        readonly kind: 'binary';
        readonly operator: string;
        readonly left: Expression;
        readonly right: Expression;
      }
    | { readonly kind: 'unary'; readonly operator: string; readonly operand: Expression }
    | {
        readonly kind: 'choice';
        readonly test: Expression;
        readonly then: Expression;
        readonly otherwise?: Expression;
      }
  );

export type Statement = At &
  (
    | { readonly kind: 'output'; readonly value: Expression }
    | {
        readonly kind: 'if';
        readonly test: Expression;
        readonly body: readonly Statement[];
        readonly otherwise: readonly Statement[];
      }
    | {
        readonly kind: 'for';
        readonly targets: readonly string[];
        readonly iterable: Expression;
        readonly body: readonly Statement[];
        readonly otherwise: readonly Statement[];
      }
    | { readonly kind: 'set'; readonly target: Expression; readonly value: Expression }
    | {
        readonly kind: 'capture';
        readonly target: Expression;
        readonly body: readonly Statement[];
      }
    | {
        readonly kind: 'macro';
        readonly name: string;
        readonly parameters: readonly string[];
        readonly defaults: readonly Keyword[];
        readonly body: readonly Statement[];
      }
    | {
        readonly kind: 'call-block';
        readonly call: Expression;
        readonly body: readonly Statement[];
      }
    | {
        readonly kind: 'filter-block';
        readonly name: string;
        readonly args: readonly Expression[];
        readonly body: readonly Statement[];
      }
  );

/** A tag that fetches another template: `include`, `import`, `from`, `extends`. */
export interface LoadTag {
  readonly tag: string;
  readonly offset: number;
}

export interface TemplateTree {
  readonly body: readonly Statement[];
  readonly loads: readonly LoadTag[];
  /** Text of `{# … #}`; never rendered, still shown to a reviewer. */
  readonly comments: readonly { readonly text: string; readonly offset: number }[];
}
