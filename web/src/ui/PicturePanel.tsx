// The chosen picture, as it is and as the network sees it; below it all pictures and the ways to bring more.

import { useEffect, useRef } from "preact/hooks";
import type { App } from "../app.ts";
import { className, counted } from "../logic/words.ts";
import type { Picture } from "../state.ts";
import { chosen } from "./drops.ts";
import { Swatch } from "./marks.tsx";

export function PicturePanel({ app, dropping }: { app: App; dropping: boolean }) {
  const picture = app.picture();
  return (
    <section class={`card picture${dropping ? " dropping" : ""}`} aria-labelledby="picture-title">
      <h2 id="picture-title" class="sr-only">
        The picture
      </h2>
      <Large picture={picture} size={app.state.info?.tasks[0]?.input.size ?? 32} />
      {picture?.source === "own" && <Truth app={app} picture={picture} />}
      {app.state.notice && (
        <p class="notice" role="alert" data-testid="notice">
          {app.state.notice}{" "}
          <button
            type="button"
            class="link"
            onClick={() => {
              app.state.notice = undefined;
              app.changed();
            }}
          >
            Close
          </button>
        </p>
      )}
      <Strip app={app} />
      <Bring app={app} />
      {dropping && <p class="drop-hint">Drop pictures, or folders named after what they show</p>}
    </section>
  );
}

function Large({ picture, size }: { picture: Picture | undefined; size: number }) {
  const small = picture?.width === size && picture.height === size;
  return (
    <div class={`large${small || !picture ? " alone" : ""}`}>
      {picture && !small && (
        <figure>
          <img src={picture.address} alt={picture.name} />
          <figcaption class="small">
            Your picture{picture.width ? `, ${picture.width} × ${picture.height} pixels` : ""}
          </figcaption>
        </figure>
      )}
      <figure>
        <Pixels
          rgb={picture?.seen?.[0]}
          name={picture ? `${picture.label ?? picture.name} as the network sees it` : ""}
        />
        <figcaption class="small">
          {picture?.fault ??
            (small
              ? `${className(picture.label ?? picture.name)}: all the network sees, ${size} × ${size} pixels`
              : `What the network sees: ${size} × ${size} pixels`)}
        </figcaption>
      </figure>
    </div>
  );
}

/** A picture pixel by pixel. */
function Pixels({ rgb, name }: { rgb: Uint8Array | undefined; name: string }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const size = rgb ? Math.round(Math.sqrt(rgb.length / 3)) : 32;
  useEffect(() => {
    const context = ref.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(size, size);
    for (let pixel = 0; rgb && pixel < size * size; pixel++) {
      image.data.set([...rgb.subarray(pixel * 3, pixel * 3 + 3), 255], pixel * 4);
    }
    context.putImageData(image, 0, 0);
  }, [rgb, size]);
  return <canvas ref={ref} width={size} height={size} role="img" aria-label={name} />;
}

/** What the visitor says a picture shows. */
function Truth({ app, picture }: { app: App; picture: Picture }) {
  const tasks = app.state.info?.tasks ?? [];
  return (
    <div class="truth">
      <span>What is it really?</span>
      {tasks.map((task, index) => (
        <label key={task.name} class="chooser">
          <span>
            <Swatch task={index} />
            <span class="sr-only">{task.title}</span>
          </span>
          <select
            value={picture.truth[index] ?? ""}
            onChange={({ currentTarget: { value } }) =>
              app.setTruth(picture, index, value === "" ? undefined : Number(value))
            }
          >
            <option value="">no answer</option>
            {task.classes.map((name, at) => (
              <option key={name} value={at}>
                {className(name)}
              </option>
            ))}
          </select>
        </label>
      ))}
    </div>
  );
}

function Strip({ app }: { app: App }) {
  const { pictures, current } = app.state;
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = pictures.findIndex((picture) => picture.id === current);
    const next = pictures[(at + step + pictures.length) % pictures.length];
    if (!next) return;
    app.choose(next.id);
    requestAnimationFrame(() => document.getElementById(`thumb-${next.id}`)?.focus());
  };
  return (
    <div class="strip" role="radiogroup" aria-label="Pictures to try" tabIndex={-1} onKeyDown={onKeyDown}>
      {pictures.map((picture, index) => {
        const here = picture.id === current;
        const reachable = here || (current === undefined && index === 0);
        const name = picture.label ? className(picture.label) : picture.name;
        return (
          <button
            key={picture.id}
            id={`thumb-${picture.id}`}
            type="button"
            role="radio"
            aria-checked={here}
            aria-label={picture.source === "own" ? `${name}, yours` : name}
            title={name}
            tabIndex={reachable ? 0 : -1}
            class="thumb"
            onClick={() => app.choose(picture.id)}
          >
            <img src={picture.address} alt="" loading="lazy" fetchpriority="low" />
          </button>
        );
      })}
    </div>
  );
}

/** The ways to bring pictures along. */
function Bring({ app }: { app: App }) {
  const take = (event: { currentTarget: HTMLInputElement }) => {
    const input = event.currentTarget;
    const { files, folders } = chosen(input);
    void app.add(files, folders);
    // The same file may be chosen again.
    input.value = "";
  };
  const own = app.state.pictures.filter((picture) => picture.source === "own").length;
  return (
    <div class="bring">
      <label class="button">
        Choose pictures
        <input type="file" accept="image/*" multiple onChange={take} data-testid="files" />
      </label>
      <label class="button wide-only">
        Choose a folder
        <input
          type="file"
          multiple
          ref={(input: HTMLInputElement | null) => input?.setAttribute("webkitdirectory", "")}
          onChange={take}
        />
      </label>
      <label class="button touch-only">
        Camera
        <input type="file" accept="image/*" capture="environment" onChange={take} />
      </label>
      {own > 0 && (
        <button type="button" class="link" onClick={() => app.removeOwn()}>
          Remove mine
        </button>
      )}
      <span class="small wide-only">
        {own > 0 ? `${counted(own, "picture")} of yours.` : "Or drop or paste them here."} They stay on this
        device.
      </span>
    </div>
  );
}
